"""The connection to OpenSearch: one client, and its errors in the port's words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from opensearchpy import OpenSearch
from opensearchpy.exceptions import (
    ConnectionError as UnreachableError,
)
from opensearchpy.exceptions import (
    NotFoundError,
    SerializationError,
    TransportError,
)
from opensearchpy.serializer import JSONSerializer

from domain.errors import InvalidQuery
from infra.opensearch.options import OpenSearchOptions
from projections.store import StoreUnavailable

_LATER = frozenset({401, 403, 408, 429, 500, 502, 503, 504})
"""Statuses that another try, or the operator, may mend."""


class _Serializer(JSONSerializer):
    """Reads and writes JSON by msgspec."""

    def dumps(self, data: Any) -> Any:
        """Return bytes; text and bytes as they are."""
        if isinstance(data, str | bytes):
            return data
        return msgspec.json.encode(data)

    def loads(self, s: Any) -> Any:
        """Return plain values."""
        try:
            return msgspec.json.decode(s)
        except msgspec.DecodeError as error:
            raise SerializationError(str(s)[:200], error) from error


def connect(options: OpenSearchOptions) -> OpenSearch:
    """Return a client; it connects with its first request."""
    secure: dict[str, Any] = {}
    if options.username:
        secure["http_auth"] = (options.username, options.password)
    if options.url.startswith("https"):
        secure["verify_certs"] = options.verify_certificates
        secure["ssl_show_warn"] = False
        if options.ca_file:
            secure["ca_certs"] = options.ca_file
    return OpenSearch(
        hosts=[url.strip() for url in options.url.split(",")],
        serializer=_Serializer(),
        timeout=options.timeout.total_seconds(),
        pool_maxsize=options.connections,
        max_retries=1,
        http_compress=False,
        **secure,
    )


@contextmanager
def told() -> Iterator[None]:
    """Say what the client says in the port's words."""
    try:
        yield
    except UnreachableError as error:
        raise StoreUnavailable(f"OpenSearch cannot be reached: {error.error}") from error
    except SerializationError as error:
        raise StoreUnavailable("what answered is not OpenSearch") from error
    except NotFoundError as error:
        raise StoreUnavailable(f"an index is missing: {error.error}") from error
    except TransportError as error:
        if error.status_code in _LATER:
            if "too_many_buckets" in str(error):
                raise InvalidQuery("The answer has too many groups") from error
            raise StoreUnavailable(
                f"OpenSearch refuses: {error.status_code} {error.error}{_cause(error)}"
            ) from error
        raise InvalidQuery(f"OpenSearch cannot answer: {error.error}") from error


def _cause(error: TransportError) -> str:
    """Return what OpenSearch says was the root of it, as the end of a sentence."""
    answer = error.info
    found = answer.get("error") if isinstance(answer, dict) else None
    if not isinstance(found, dict):
        return ""
    root = (found.get("root_cause") or [found.get("caused_by") or found])[0]
    return f": {root.get('type')}: {root.get('reason')}"
