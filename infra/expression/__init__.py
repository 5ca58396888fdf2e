"""What answers the impure functions of expressions on a worker or webserver."""

from infra.expression.jq_pool import JqPool
from infra.expression.lookups import Place, RuntimeLookups, World

__all__ = ["JqPool", "Place", "RuntimeLookups", "World"]
