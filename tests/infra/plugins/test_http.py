from __future__ import annotations

import base64
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import msgspec
import pytest

from streams.worker.errors import Interrupted, TaskFailed
from tests.infra.plugins.conftest import Run
from tests.support.tasks import Bench, MirrorEncryption


class Echo(BaseHTTPRequestHandler):
    """Answers with what it was asked; a path that is a number is the status."""

    def log_message(self, *args: Any) -> None:
        pass

    def _answer(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length).decode("latin-1")
        path = self.path.split("?")[0].strip("/")
        if path == "empty":
            data = b""
        elif path == "file":
            data = b"file content"
        else:
            asked = {
                "method": self.command,
                "path": self.path,
                "body": body,
                "headers": {k.lower(): v for k, v in self.headers.items()},
            }
            data = msgspec.json.encode(asked)
        self.send_response(int(path) if path.isdigit() else 302 if path == "moved" else 200)
        if path == "moved":
            self.send_header("Location", "/there")
        if path == "file":
            self.send_header("Content-Disposition", 'attachment; filename="report.csv"')
        self.send_header("Content-Length", str(len(data)))
        self.send_header("X-Answer", "yes")
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = _answer  # noqa: N815 - names of http.server


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def asked(out: dict[str, Any]) -> Any:
    return msgspec.json.decode(out["body"])


def test_the_answer_is_text_with_code_and_headers(run: Run, url: str) -> None:
    out = run("http.Request", uri=f"{url}/hello", params={"a": "b c"})
    assert (out["code"], out["encryptedBody"]) == (200, None)
    assert out["headers"]["X-Answer"] == ["yes"]
    assert asked(out)["path"] == "/hello?a=b+c"


def test_a_body_is_json_unless_said_otherwise(run: Run, url: str) -> None:
    out = asked(run("http.Request", uri=url, method="POST", body='{"a": "{{ taskrun.id }}"}'))
    assert (out["body"], out["headers"]["content-type"]) == ('{"a": "r1"}', "application/json")
    out = asked(run("http.Request", uri=url, method="PUT", body="x", contentType="text/plain"))
    assert out["headers"]["content-type"] == "text/plain"


def test_form_data_is_sent_urlencoded_when_asked(run: Run, url: str) -> None:
    out = asked(
        run(
            "http.Request",
            uri=url,
            method="POST",
            contentType="application/x-www-form-urlencoded",
            formData={"hello": "wor ld"},
            headers={"test": "{{ 'val' ~ 'ue' }}"},
        )
    )
    assert (out["body"], out["headers"]["test"]) == ("hello=wor+ld", "value")


def test_form_data_may_hold_files(run: Run, url: str, bench: Bench) -> None:
    uri = bench.context.store(b"file bytes", "a.txt")
    form = {"text": "plain", "file": uri, "named": {"name": "b.txt", "content": uri}}
    out = asked(run("http.Request", uri=url, method="POST", formData=form))
    assert out["body"].count("file bytes") == 2
    assert 'filename="b.txt"' in out["body"]
    assert "plain" in out["body"]


@pytest.mark.parametrize(
    "more",
    [
        {"allowFailed": True},
        {"options": {"allowFailed": True}},
        {"options": {"allowedResponseCodes": [417]}},
    ],
    ids=["old", "option", "codes"],
)
def test_a_failure_that_is_allowed_is_an_answer(run: Run, url: str, more: Any) -> None:
    assert run("http.Request", uri=f"{url}/417", **more)["code"] == 417


def test_a_failure_that_is_not_allowed_fails_with_its_code(run: Run, url: str) -> None:
    with pytest.raises(TaskFailed, match="'503'") as caught:
        run("http.Request", uri=f"{url}/503")
    assert caught.value.outputs["code"] == 503


def test_redirects_are_followed_unless_forbidden(run: Run, url: str) -> None:
    assert asked(run("http.Request", uri=f"{url}/moved"))["path"] == "/there"
    out = run("http.Request", uri=f"{url}/moved", options={"followRedirects": False})
    assert out["code"] == 302


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        (
            {"type": "BASIC", "username": "u", "password": "p"},
            "Basic " + base64.b64encode(b"u:p").decode(),
        ),
        ({"type": "BEARER", "token": "t"}, "Bearer t"),
    ],
    ids=["basic", "bearer"],
)
def test_credentials_are_sent(run: Run, url: str, auth: Any, header: str) -> None:
    out = asked(run("http.Request", uri=url, options={"auth": auth}))
    assert out["headers"]["authorization"] == header


def test_the_body_can_be_sealed(run: Run, url: str) -> None:
    out = run("http.Request", uri=f"{url}/file", encryptBody=True)
    assert out["body"] is None
    assert MirrorEncryption().decrypt(out["encryptedBody"]["value"]) == "file content"


def test_a_download_is_a_file_named_by_the_server(run: Run, url: str, bench: Bench) -> None:
    out = run("http.Download", uri=f"{url}/file")
    assert out["uri"].endswith("-report.csv")
    assert bench.blobs.read(out["uri"]) == b"file content"
    assert out["length"] == 12


def test_an_empty_download_fails_unless_allowed(run: Run, url: str) -> None:
    with pytest.raises(TaskFailed, match="No response"):
        run("http.Download", uri=f"{url}/empty")
    assert run("http.Download", uri=f"{url}/empty", failOnEmptyResponse=False)["length"] == 0


@pytest.mark.parametrize("uri", ["http://127.0.0.1:1/", "ftp://x/", "nonsense"])
def test_what_cannot_be_reached_fails_the_task(run: Run, uri: str) -> None:
    with pytest.raises(TaskFailed):
        run("http.Request", uri=uri)


def test_an_interrupted_request_ends(run: Run, url: str, bench: Bench) -> None:
    bench.interruption.tell()
    with pytest.raises(Interrupted):
        run("http.Request", uri=url)
