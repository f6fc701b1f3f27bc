"""What each HTTP call needs: authentication, limits, bodies, parameters, content negotiation, problem+json.

Imports registry, postgres and runtime; publishing, registry_routes and projections.http import it.
"""
