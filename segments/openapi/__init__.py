"""The API as OpenAPI 3.1: what its routes document, and what all calls have in common: key, request id, problems.

`openapi` renders the document; `python -m segments.openapi.render` writes the file.
"""

from segments.openapi.document import openapi

__all__ = ["openapi"]
