"""The filters, by what they work on. Importing this package fills the table."""

from domain.expression.filters import collections, text
from domain.expression.registry import FILTERS

__all__ = ["FILTERS", "collections", "text"]
