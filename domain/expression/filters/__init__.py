"""The filters, by what they work on. Importing this package fills the table."""

from domain.expression.filters import collections, data, dates, numbers, text
from domain.expression.registry import FILTERS

__all__ = ["FILTERS", "collections", "data", "dates", "numbers", "text"]
