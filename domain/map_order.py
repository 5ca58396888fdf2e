"""The order of a hash map over its keys: where older servers kept maps, clients have seen it."""

from __future__ import annotations

from collections.abc import Sequence

_LEAST_BUCKETS = 16


def in_map_order(keys: Sequence[str]) -> list[str]:
    """Return keys as Java's HashMap orders them: by bucket, then as they came."""
    buckets = _LEAST_BUCKETS
    while len(keys) > buckets * 3 // 4:
        buckets *= 2
    return sorted(keys, key=lambda key: _spread(key) & (buckets - 1))


def _spread(key: str) -> int:
    """Return a text's hash code, with its upper half folded into the lower one."""
    code = 0
    encoded = key.encode("utf-16-be", "surrogatepass")
    for at in range(0, len(encoded), 2):
        code = (31 * code + int.from_bytes(encoded[at : at + 2], "big")) & 0xFFFFFFFF
    return code ^ (code >> 16)
