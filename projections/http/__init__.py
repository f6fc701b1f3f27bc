"""The routes that read: each parses, calls one function of projections.queries and shapes.

May be imported from segments; imports projections.queries, and of service.http what all its calls share: access,
accepting, parameters and problems.
"""
