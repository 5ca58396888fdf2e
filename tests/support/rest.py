"""A small client of the REST API for tests, and waiting by asking."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from threading import Event
from time import monotonic
from typing import Any, TypeVar

import httpx

ENDED = frozenset({"SUCCESS", "WARNING", "FAILED", "KILLED", "CANCELLED", "SKIPPED"})
ASK_EVERY = 0.05
"""Seconds between two questions."""
YAML = {"content-type": "application/x-yaml"}
_pause = Event()
T = TypeVar("T")


class Refused(AssertionError):
    """The API answered with an error."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__(f"{answer.request.method} {answer.request.url}: {answer.text[:600]}")
        self.status = answer.status_code


def until(ask: Callable[[], T | None], what: str, seconds: float = 60) -> T:
    """Return the first answer that is neither None nor False; fail when there is none in time."""
    deadline = monotonic() + seconds
    while True:
        answer = ask()
        if answer is not None and answer is not False:
            return answer
        assert monotonic() < deadline, f"waited {seconds:g} s for: {what}"
        _pause.wait(ASK_EVERY)


class Rest:
    """Speaks to one server as one user. Thread-safe."""

    def __init__(self, url: str, username: str, password: str) -> None:
        self.client = httpx.Client(
            base_url=f"{url}/api/v1/main",
            auth=(username, password),
            timeout=httpx.Timeout(60.0),
            trust_env=False,
        )

    def close(self) -> None:
        """Close its connections."""
        self.client.close()

    def call(self, method: str, path: str, **options: Any) -> Any:
        """Return the decoded answer; raises Refused, or httpx.TransportError."""
        answer = self.client.request(method, path, **options)
        if answer.is_error:
            raise Refused(answer)
        if answer.headers.get("content-type", "").startswith("application/json"):
            return answer.json()
        return answer.text

    def create_flow(self, source: str) -> dict[str, Any]:
        """Store a flow."""
        stored: dict[str, Any] = self.call("POST", "/flows", content=source, headers=YAML)
        return stored

    def run(
        self,
        namespace: str,
        flow: str,
        inputs: Mapping[str, str] | None = None,
        labels: Iterable[str] = (),
        *,
        wait: bool = False,
    ) -> dict[str, Any]:
        """Begin an execution."""
        parameters = [("labels", label) for label in labels]
        if wait:
            parameters.append(("wait", "true"))
        begun: dict[str, Any] = self.call(
            "POST",
            f"/executions/{namespace}/{flow}",
            files={name: (None, value) for name, value in (inputs or {}).items()} or None,
            params=parameters,
        )
        return begun

    def execution(self, execution_id: str) -> dict[str, Any]:
        """Return an execution."""
        found: dict[str, Any] = self.call("GET", f"/executions/{execution_id}")
        return found

    def state(self, execution_id: str) -> str:
        """Return the state of an execution."""
        return str(self.execution(execution_id)["state"]["current"])

    def executions(self, size: int = 200, **filters: str) -> list[dict[str, Any]]:
        """Return everything that filters find, oldest first; `state=` and the like, or none."""
        found: list[dict[str, Any]] = []
        while True:
            page = self.call(
                "GET",
                "/executions/search",
                params={
                    "page": len(found) // size + 1,
                    "size": size,
                    "sort": "state.startDate:asc",
                    **{f"filters[{name}][EQUALS]": value for name, value in filters.items()},
                },
            )
            found += page["results"]
            if len(page["results"]) < size:
                return found

    def events(self, execution_id: str, size: int = 500) -> list[dict[str, Any]]:
        """Return the whole event stream of an execution, page by page."""
        found: list[dict[str, Any]] = []
        start: int | None = 1
        while start is not None:
            page = self.call(
                "GET", f"/executions/{execution_id}/events", params={"from": start, "size": size}
            )
            found += page["results"]
            start = page["next"]
        return found

    def logs(self, execution_id: str) -> list[str]:
        """Return the messages of an execution's log."""
        return [entry["message"] for entry in self.call("GET", f"/logs/{execution_id}")]

    def ended(self, execution_id: str, seconds: float = 60) -> dict[str, Any]:
        """Return an execution once it has ended."""

        def ask() -> dict[str, Any] | None:
            found = self.execution(execution_id)
            return found if found["state"]["current"] in ENDED else None

        return until(ask, f"the end of {execution_id}", seconds)

    def comes_to(self, execution_id: str, state: str, seconds: float = 60) -> dict[str, Any]:
        """Return an execution once it is in a state."""

        def ask() -> dict[str, Any] | None:
            found = self.execution(execution_id)
            return found if found["state"]["current"] == state else None

        return until(ask, f"{execution_id} being {state}", seconds)
