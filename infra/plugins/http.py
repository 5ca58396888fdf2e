"""`http.*`: requests to other systems."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import httpx
import msgspec

from domain.duration import parse_duration
from domain.errors import InvalidInput
from domain.sealed import sealed
from streams.worker.context import RunContext
from streams.worker.errors import TaskFailed
from streams.worker.plugin import TaskPlugin

_BODY_LIMIT = 32 * 1024 * 1024
_SHOWN = 2_000
_FORM = "application/x-www-form-urlencoded"
_FILE_NAME = re.compile(r'filename\*?=(?:UTF-8\'\')?"?([^";]+)"?', re.IGNORECASE)


class HttpOptions(msgspec.Struct, rename="camel"):
    """Options of a request."""

    timeout: dict[str, Any] = {}
    """connectTimeout and readIdleTimeout, durations."""
    proxy: dict[str, Any] | None = None
    auth: dict[str, Any] | None = None
    ssl: dict[str, Any] | None = None
    follow_redirects: bool = True
    allow_failed: bool = False
    allowed_response_codes: list[int] = []
    default_charset: str = "UTF-8"


class RequestProperties(msgspec.Struct, rename="camel"):
    """Properties of `http.Request` and `http.Download`."""

    uri: str
    method: str = "GET"
    params: dict[str, Any] | None = None
    body: str | None = None
    form_data: dict[str, Any] | None = None
    content_type: str | None = None
    headers: dict[str, Any] | None = None
    options: HttpOptions | None = None
    allow_failed: bool | None = None
    """Older place of the option."""
    encrypt_body: bool = False
    fail_on_empty_response: bool = True
    """`http.Download`: an answer without a byte fails the task."""
    save_as: str | None = None
    """`http.Download`: the file's name."""


def request(context: RunContext, properties: RequestProperties) -> dict[str, Any]:
    """Send a request and hand out the answer as text."""
    with _answer(context, properties) as response:
        data = bytearray()
        for block in response.iter_bytes():
            context.check()
            data += block
            if len(data) > _BODY_LIMIT:
                raise TaskFailed(
                    f"The answer has more than {_BODY_LIMIT} bytes; http.Download takes any size."
                )
        options = properties.options or HttpOptions()
        charset = response.charset_encoding or options.default_charset
        try:
            text = bytes(data).decode(charset, errors="replace") if data else None
        except LookupError:
            text = bytes(data).decode(errors="replace")
        context.counter("response.length", len(data), {"request.method": properties.method.upper()})
        _judge(response, properties, text)
        encrypted = None
        if properties.encrypt_body and text is not None:
            encrypted, text = sealed(context.services.encryption.encrypt(text)), None
        return {**_common(response), "body": text, "encryptedBody": encrypted}


def download(context: RunContext, properties: RequestProperties) -> dict[str, Any]:
    """Send a request and keep the answer as a file."""
    path = context.folder.scratch()
    with _answer(context, properties) as response:
        length = 0
        with path.open("wb") as file:
            for block in response.iter_bytes():
                context.check()
                file.write(block)
                length += len(block)
        _judge(response, properties, None)
        if length == 0:
            if properties.fail_on_empty_response:
                raise TaskFailed("No response from server")
            context.out.warn("The answer is empty.")
        context.counter("response.length", length, {"request.method": properties.method.upper()})
        name = properties.save_as or _file_name(response)
        return {**_common(response), "uri": context.store(path, name), "length": length}


@contextmanager
def _answer(context: RunContext, properties: RequestProperties) -> Iterator[httpx.Response]:
    """Send the request; the answer's body is not read yet."""
    options = properties.options or HttpOptions()
    context.check()
    with ExitStack() as stack:
        try:
            client = stack.enter_context(_client(options))
            stack.callback(context.interruption.on_told(client.close))
            sent = _request(context, client, properties, stack)
            response = stack.enter_context(
                _streaming(client, sent, follow=options.follow_redirects)
            )
            yield response
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            context.check()
            reason = str(error) or type(error).__name__
            raise TaskFailed(f"The request to {properties.uri!r} failed: {reason}") from error


@contextmanager
def _streaming(
    client: httpx.Client, sent: httpx.Request, *, follow: bool
) -> Iterator[httpx.Response]:
    response = client.send(sent, stream=True, follow_redirects=follow)
    try:
        yield response
    finally:
        response.close()


def _client(options: HttpOptions) -> httpx.Client:
    wait = options.timeout
    ssl = options.ssl or {}
    return httpx.Client(
        timeout=httpx.Timeout(
            parse_duration(wait.get("readIdleTimeout", "PT5M")).total_seconds(),
            connect=parse_duration(wait.get("connectTimeout", "PT10S")).total_seconds(),
        ),
        verify=not ssl.get("insecureTrustAllCertificates", False),
        proxy=_proxy(options.proxy),
        auth=_auth(options.auth),
        trust_env=False,
    )


def _proxy(proxy: dict[str, Any] | None) -> httpx.Proxy | None:
    if not proxy or str(proxy.get("type", "DIRECT")).upper() == "DIRECT":
        return None
    user, password = proxy.get("username"), proxy.get("password")
    return httpx.Proxy(
        f"http://{proxy.get('address')}:{proxy.get('port')}",
        auth=(str(user), str(password or "")) if user else None,
    )


def _auth(auth: dict[str, Any] | None) -> httpx.Auth | None:
    if not auth:
        return None
    user, password = str(auth.get("username", "")), str(auth.get("password", ""))
    match str(auth.get("type", "BASIC")).upper():
        case "BASIC" | "BASIC_AUTH":
            return httpx.BasicAuth(user, password)
        case "DIGEST":
            return httpx.DigestAuth(user, password)
        case "BEARER":
            return _Bearer(str(auth.get("token", "")))
        case other:
            raise InvalidInput(f"There is no authentication type {other}.")


class _Bearer(httpx.Auth):
    def __init__(self, token: str) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:  # type: ignore[override]
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request


def _request(
    context: RunContext, client: httpx.Client, properties: RequestProperties, stack: ExitStack
) -> httpx.Request:
    headers = {name: str(value) for name, value in (properties.headers or {}).items()}
    parts: dict[str, Any] = {}
    form = properties.form_data
    if form is not None and properties.content_type == _FORM:
        parts["data"] = {name: _text(value) for name, value in form.items()}
    elif form is not None:
        parts["files"] = [
            (name, _part(context, name, value, stack)) for name, value in form.items()
        ]
    elif properties.body is not None:
        parts["content"] = properties.body.encode()
        headers.setdefault("Content-Type", properties.content_type or "application/json")
    return client.build_request(
        properties.method.upper(),
        properties.uri,
        params={name: _text(value) for name, value in properties.params.items()}
        if properties.params
        else None,
        headers=headers,
        **parts,
    )


def _part(context: RunContext, name: str, value: Any, stack: ExitStack) -> Any:
    """One part of a multipart form: a text, or a file named by its URI."""
    kind = None
    if isinstance(value, dict):
        name, kind = str(value.get("name", name)), value.get("contentType")
        value = value.get("content", "")
    if isinstance(value, str) and value.startswith(("kestra:///", "nsfile://")):
        file = stack.enter_context(context.open(value))
        return (name, file, kind) if kind else (name, file)
    return (None, _text(value), kind) if kind else (None, _text(value))


def _judge(response: httpx.Response, properties: RequestProperties, text: str | None) -> None:
    """Raise TaskFailed when the answer is a failure that is not allowed."""
    code, options = response.status_code, properties.options or HttpOptions()
    allowed = options.allow_failed or properties.allow_failed
    if code < 400 or allowed or code in options.allowed_response_codes:
        return
    shown = f" and body:\n{text[:_SHOWN]}" if text else ""
    raise TaskFailed(f"Failed http request with response code '{code}'{shown}", _common(response))


def _common(response: httpx.Response) -> dict[str, Any]:
    headers: dict[str, list[str]] = {}
    for name, value in response.headers.raw:
        headers.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
    return {"uri": str(response.request.url), "code": response.status_code, "headers": headers}


def _file_name(response: httpx.Response) -> str:
    found = _FILE_NAME.search(response.headers.get("content-disposition", ""))
    return found[1].strip() if found else response.request.url.path.rsplit("/", 1)[-1]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


_PACKAGE: Final = "io.kestra.plugin.core.http."
PLUGINS: Final = (
    TaskPlugin(name=_PACKAGE + "Request", properties=RequestProperties, run=request),
    TaskPlugin(name=_PACKAGE + "Download", properties=RequestProperties, run=download),
)
