"""The routes that read. Each parses parameters, calls one function of projections.queries and formats the result.

Imports projections.queries, and from service.http only kit. segments imports it.
"""
