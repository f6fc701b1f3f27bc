"""The API as OpenAPI 3.1: FastAPI's routes, the two publishing calls in front of it, and all problems.

`openapi` renders the document; `python -m segments.openapi.render` writes the file.
"""

from segments.openapi.document import openapi

__all__ = ["openapi"]
