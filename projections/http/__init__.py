"""The routes that read: each parses, calls one function of projections.reading and shapes.

May be imported from segments; imports projections.reading, and of service.api what all its calls share: access,
accepting, parameters and problems.
"""
