from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from domain.expression.errors import Fault, LimitFault
from infra.expression.web import request

DEFAULTS: dict[str, Any] = {
    "method": "GET",
    "query": None,
    "body": None,
    "contentType": "application/json",
    "headers": None,
    "options": None,
    "accept": "application/json",
}


class _Echo(BaseHTTPRequestHandler):
    """Answers with what it was asked, in the form that the path names."""

    def _answer(self) -> None:
        size = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(size).decode()
        path = self.path.partition("?")[0]
        asked = {
            "method": self.command,
            "path": self.path,
            "type": self.headers.get("content-type"),
            "x": self.headers.get("x-a"),
            "body": body,
        }
        forms = {
            "/yaml": ("application/yaml", "a: [1, yes]"),
            "/text": ("text/plain", "plain"),
            "/bad": ("application/json", "{"),
            "/long": ("text/plain", "x" * 5_000),
        }
        kind, text = forms.get(path, ("application/json", json.dumps(asked)))
        self.send_response(418 if path == "/teapot" else 200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(text.encode())

    do_GET = do_POST = _answer  # noqa: N815 - names of the library

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - name of the library
        pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Echo)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def ask(uri: str, **arguments: Any) -> Any:
    return request({**DEFAULTS, "uri": uri, **arguments}, 4_000)


def test_an_answer_is_read_by_its_content_type(url: str) -> None:
    assert ask(f"{url}/json")["method"] == "GET"
    assert ask(f"{url}/yaml") == {"a": [1, True]}
    assert ask(f"{url}/text") == "plain"


def test_a_body_is_written_by_its_content_type(url: str) -> None:
    json_body = ask(url, method="POST", body={"a": 1, "b": None})
    assert (json_body["body"], json_body["type"]) == ('{"a":1}', "application/json")
    form = ask(
        url,
        method="POST",
        body={"a": 1, "b": "x y"},
        contentType="application/x-www-form-urlencoded",
    )
    assert form["body"] == "a=1&b=x+y"
    assert ask(url, method="POST", body=[1], contentType="application/yaml")["body"] == " - 1\n"


def test_query_and_headers_are_sent_but_no_other_content_type(url: str) -> None:
    asked = ask(
        url, query={"q": 1}, headers={"X-A": "h", "Content-Type": "text/x"}, method="POST", body="b"
    )
    assert (asked["path"], asked["x"], asked["type"]) == ("/?q=1", "h", "application/json")


def test_a_status_that_is_no_success_fails(url: str) -> None:
    with pytest.raises(Fault, match="response code '418'"):
        ask(f"{url}/teapot")


def test_a_request_that_cannot_be_made_or_read_fails(url: str) -> None:
    for uri in (f"{url}/bad", "http://127.0.0.1:1/", "http://[", "http://"):
        with pytest.raises(Fault):
            ask(uri)
    with pytest.raises(LimitFault):
        ask(f"{url}/long")
    with pytest.raises(Fault, match="knows no method"):
        ask(url, method="BREW")
    with pytest.raises(Fault, match="Invalid duration"):
        ask(url, options={"timeout": "soon"})
