"""Options of the HTTP edge: every field with meaning, unit and default."""

from __future__ import annotations

import msgspec

MEBIBYTE = 1 << 20


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a request may cost before it is refused."""

    body_bytes: int = 16 * MEBIBYTE
    """Largest body that is held in memory: flows, JSON, text. Larger: 413."""
    upload_bytes: int = 10 * 1024 * MEBIBYTE
    """Largest body of a form with files, which is streamed to disk. Larger: 413."""
    field_bytes: int = 4 * MEBIBYTE
    """Largest form part that is not a file. Larger: 413."""
    form_parts: int = 1_000
    """Most parts of a form. More: 422."""
    header_bytes: int = 64 * 1024
    """Largest sum of a request's headers. Larger: 431."""
    target_bytes: int = 32 * 1024
    """Longest path with query. Longer: 414."""
    head_seconds: float = 20.0
    """Time for the path and headers of a request, from its connection on. More: 408."""
    body_idle_seconds: float = 20.0
    """Longest silence within a body. Longer: 408."""
    body_seconds: float = 60.0
    """Time for a body, on top of one second for every 16 KiB of it. More: 408."""
    page_size: int = 10_000
    """Largest page of a list. Larger: 422."""
    wait_seconds: float = 3600.0
    """Longest wait for an execution's end (`wait=true`)."""


class ApiOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of the webserver's HTTP edge."""

    version: str = "1.3.25"
    """The API version shown at `configs`: clients choose their dialect by its major number."""
    url: str = ""
    """Public address of this server; stands before the links in answers. Empty: links are paths."""
    uuid: str = ""
    """Id of the installation, shown at `configs`."""
    environment_name: str = ""
    """Name of the environment, shown at `configs` when not empty."""
    environment_color: str = ""
    """Its colour, as a CSS colour."""
    basic_auth: bool = True
    """False: anybody may do anything. For tests and behind a gateway that asks for credentials."""
    open_paths: tuple[str, ...] = ("/ping", "/api/v1/main/executions/webhook/")
    """Path prefixes that need no credentials."""
    system_namespace: str = "system"
    """Namespace of the flows that belong to operations, hidden by `scope=USER`."""
    hidden_labels: tuple[str, ...] = ("system.", "internal.")
    """Prefixes of labels that clients hide."""
    preview_rows: int = 100
    """Rows of a file preview by default."""
    preview_rows_limit: int = 5_000
    """Most rows of a file preview."""
    follow_keep_alive_seconds: float = 15.0
    """Silence on an event stream after which a comment line is sent."""
    follow_seconds: float = 3600.0
    """Longest life of an event stream of one execution."""
    submit_seconds: float = 10.0
    """Longest wait for the step of a command. Longer: 503."""
    docs: bool = True
    """Serve the OpenAPI description at `/api/docs` and `/api/openapi.json`."""
    limits: Limits = Limits()
    """What a request may cost before it is refused."""

    @property
    def is_two(self) -> bool:
        """True when a 2.x version is reported: it decides where the two dialects contradict."""
        return not self.version.startswith("1.")
