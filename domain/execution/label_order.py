"""The order of labels that were set anew: as clients know it, that of a hash map over the keys."""

from __future__ import annotations

from collections.abc import Sequence

from domain.execution.state import Label

_LEAST_BUCKETS = 16


def in_map_order(labels: Sequence[Label]) -> list[Label]:
    """Return labels as Java's HashMap orders their keys: by bucket, then as they came."""
    buckets = _LEAST_BUCKETS
    while len(labels) > buckets * 3 // 4:
        buckets *= 2
    return sorted(labels, key=lambda label: _spread(label.key) & (buckets - 1))


def _spread(key: str) -> int:
    """Return a text's hash code, with its upper half folded into the lower one."""
    code = 0
    encoded = key.encode("utf-16-be", "surrogatepass")
    for at in range(0, len(encoded), 2):
        code = (31 * code + int.from_bytes(encoded[at : at + 2], "big")) & 0xFFFFFFFF
    return code ^ (code >> 16)
