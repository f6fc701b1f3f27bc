"""The API as OpenAPI 3.1: what FastAPI knows of its routes, the two calls in front of it, and problems everywhere.

`openapi` renders it; `python -m segments.openapi.render` writes it down.
"""

from segments.openapi.document import openapi

__all__ = ["openapi"]
