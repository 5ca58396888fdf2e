"""Questions about namespaces."""

from __future__ import annotations

from collections.abc import Sequence

from domain.errors import InvalidQuery
from projections.flows.query import FlowQueries
from projections.meanings import SYSTEM_NAMESPACE
from projections.search import Found, InvalidSort, Page, Sort


class NamespaceQueries:
    """Namespaces exist because flows do; their parents and the system namespace are listed too."""

    def __init__(self, flows: FlowQueries) -> None:
        self._flows = flows

    async def every(self, tenant: str) -> list[str]:
        """Return all namespaces, sorted."""
        found = {SYSTEM_NAMESPACE}
        for namespace in await self._flows.namespaces(tenant):
            parts = namespace.split(".")
            found.update(".".join(parts[:length]) for length in range(1, len(parts) + 1))
        return sorted(found)

    async def search(
        self,
        tenant: str,
        text: str | None = None,
        sorts: Sequence[Sort] = (),
        page: Page | None = None,
    ) -> Found[str]:
        """Return a page of namespaces that hold a text, letter case not counted.

        Raises:
            InvalidSort: sorted by anything but `id`.
        """
        for sort in sorts:
            if sort.field not in {"id", "namespace"}:
                raise InvalidSort(f"Invalid sort field: {sort.field}")
        wanted = (text or "").lower()
        found = [name for name in await self.every(tenant) if wanted in name.lower()]
        if sorts and sorts[0].descending:
            found.reverse()
        page = page or Page()
        return Found(found[page.start : page.start + page.size], len(found))

    async def autocomplete(self, tenant: str, text: str, ids: Sequence[str] = ()) -> list[str]:
        """Return the namespaces that begin with a text, and the given ones."""
        if len(text) > 1_000:
            raise InvalidQuery("The text to complete is too long")
        found = [name for name in await self.every(tenant) if name.startswith(text)]
        return sorted({*found, *ids})
