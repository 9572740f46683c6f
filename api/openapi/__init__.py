"""The OpenAPI document of the API, and the endpoints that publish it."""

from api.openapi.document import document
from api.openapi.operation import ResourceDescription

__all__ = ["ResourceDescription", "document"]
