"""The OpenAPI document of the API, and the page that shows it."""

from api.openapi.document import document

__all__ = ["document"]
