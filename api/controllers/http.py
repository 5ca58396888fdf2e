"""Names that every controller uses."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.params import FromPath

Http = Request[Any, Any, Any]
"""A request."""

Segment = FromPath[str]
"""A path parameter."""
