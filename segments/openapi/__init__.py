"""The API as OpenAPI 3.1: what its routes say of themselves, and what every call has: a key, an id, problems.

`openapi` renders it; `python -m segments.openapi.render` writes it down.
"""

from segments.openapi.document import openapi

__all__ = ["openapi"]
