"""The command line's view of a server: its REST API."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

DEFAULT_URL = "http://127.0.0.1:8080"
CREDENTIALS_FILE = "client.json"


class ServerRefused(Exception):
    """The server answered with an error; the text says which."""


class Client:
    """Speaks to one server, named by the arguments, the environment, or the data folder."""

    def __init__(
        self, url: str | None = None, username: str | None = None, password: str | None = None
    ) -> None:
        saved = _saved()
        self.url = (
            url or os.environ.get("TIDEWHEEL_URL") or saved.get("url") or DEFAULT_URL
        ).rstrip("/")
        username = username or os.environ.get("TIDEWHEEL_USERNAME") or saved.get("username")
        password = password or os.environ.get("TIDEWHEEL_PASSWORD") or saved.get("password")
        auth = (username, password or "") if username else None
        self._http = httpx.Client(
            base_url=f"{self.url}/api/v1/main", auth=auth, timeout=httpx.Timeout(60.0)
        )

    def call(self, method: str, path: str, **options: Any) -> Any:
        """Return the decoded answer, None for an empty one; raises ServerRefused."""
        try:
            answer = self._http.request(method, path, **options)
        except httpx.TransportError as error:
            raise ServerRefused(f"no server answers at {self.url}: {error}") from error
        if answer.status_code >= httpx.codes.BAD_REQUEST:
            raise ServerRefused(_reason(answer))
        if not answer.content:
            return None
        if answer.headers.get("content-type", "").startswith("application/json"):
            return answer.json()
        return answer.text

    def lines(self, path: str, **options: Any) -> Iterator[str]:
        """Yield the lines of a long answer as they come; raises ServerRefused."""
        for answer in self._streamed(path, **options):
            yield from (line for line in answer.iter_lines() if line)

    def download(self, path: str, target: Path, **options: Any) -> int:
        """Write an answer into a file; returns its bytes; raises ServerRefused."""
        written = 0
        for answer in self._streamed(path, **options):
            with target.open("wb") as file:
                for chunk in answer.iter_bytes():
                    written += file.write(chunk)
        return written

    def _streamed(self, path: str, **options: Any) -> Iterator[httpx.Response]:
        waiting = httpx.Timeout(10.0, read=None)
        try:
            with self._http.stream("GET", path, timeout=waiting, **options) as answer:
                if answer.status_code >= httpx.codes.BAD_REQUEST:
                    answer.read()
                    raise ServerRefused(_reason(answer))
                yield answer
        except httpx.TransportError as error:
            raise ServerRefused(f"no server answers at {self.url}: {error}") from error

    def follow(self, path: str) -> Iterator[tuple[str, Any]]:
        """Yield (event id, decoded data) of an event stream until the server ends it."""
        identity = ""
        for line in self.lines(path):
            if line.startswith("id:"):
                identity = line[3:].strip()
            elif line.startswith("data:") and (data := line[5:].strip()):
                yield identity, json.loads(data)


def save_client(folder: Path, **values: str) -> None:
    """Keep what a local client needs in the data folder, readable by its owner only.

    Args:
        folder: the data folder.
        values: of `url`, `username`, `password`; the others stay as they are.
    """
    path = folder / CREDENTIALS_FILE
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+") as file:
        text = file.read()
        file.seek(0)
        file.truncate()
        json.dump({**_decoded(text), **values}, file)


def _saved() -> dict[str, str]:
    path = Path(os.environ.get("DATA_DIR", ".tidewheel")) / CREDENTIALS_FILE
    try:
        return _decoded(path.read_text())
    except OSError:
        return {}


def _decoded(text: str) -> dict[str, str]:
    try:
        saved = json.loads(text)
    except ValueError:
        return {}
    return saved if isinstance(saved, dict) else {}


def _reason(answer: httpx.Response) -> str:
    try:
        message = answer.json().get("message")
    except (ValueError, AttributeError):
        message = None
    if message is None and answer.status_code == httpx.codes.UNAUTHORIZED:
        message = (
            "the server does not know this user: set TIDEWHEEL_USERNAME and TIDEWHEEL_PASSWORD"
        )
    return f"{answer.status_code} {answer.reason_phrase}: {message or answer.text[:500]}"
