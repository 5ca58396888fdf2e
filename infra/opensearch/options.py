"""Options of the OpenSearch adapter."""

from __future__ import annotations

from datetime import timedelta

import msgspec


class OpenSearchOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How OpenSearch is reached and how indices are laid out. All since 0.1."""

    url: str = "http://127.0.0.1:9200"
    """Addresses of nodes, separated by commas."""
    username: str = ""
    """Basic authentication; empty: none."""
    password: str = ""
    """Basic authentication."""
    verify_certificates: bool = True
    """With https: refuse servers whose certificate is not trusted."""
    ca_file: str = ""
    """With https: file of the certificate authority; empty: the system's."""
    prefix: str = "tidewheel-"
    """Stands before the name of every index."""
    shards: int = 1
    """Shards of every index; takes effect with the next rebuild; count."""
    replicas: str = "0-1"
    """Least and most copies of every shard, as nodes allow."""
    refresh_interval: timedelta = timedelta(seconds=1)
    """Longest time after which searches see what was written."""
    timeout: timedelta = timedelta(seconds=30)
    """Longest time for one request."""
    connections: int = 16
    """Connections to each node; count."""
    bulk_bytes: int = 8 * 1024 * 1024
    """Most bytes of one bulk request."""
