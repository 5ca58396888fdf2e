"""The function `http`: one request, its answer read by its content type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import httpx

from domain.expression.data import read_json, read_yaml
from domain.expression.errors import Fault, LimitFault
from domain.expression.text import to_json, to_text
from domain.expression.yaml_text import write_yaml

_SECONDS: Final = 30.0
_MOST_SECONDS: Final = 300.0
_METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})


def request(arguments: Mapping[str, Any], longest: int) -> Any:
    """Send a request and return the body of its answer: data for JSON and YAML, otherwise text.

    Args:
        arguments: of the function `http`.
        longest: most bytes of the answer.

    Raises:
        Fault: the request cannot be made, or is answered with a status that is no success.
        LimitFault: the answer is too long.
    """
    uri, method = arguments["uri"], arguments["method"]
    if not isinstance(uri, str) or not uri.startswith(("http://", "https://")):
        raise Fault(
            "The 'http' function expects an argument 'uri' that begins with http:// or https://."
        )
    if not isinstance(method, str) or method.upper() not in _METHODS:
        raise Fault(f"The 'http' function knows no method {to_text(method)}.")
    kind = str(arguments["contentType"] or "application/json")
    headers = {
        str(name): to_text(value)
        for name, value in _map(arguments["headers"], "headers").items()
        if str(name).lower() != "content-type"
    }
    headers.setdefault("Accept", str(arguments["accept"] or "*/*"))
    body = arguments["body"]
    content = None if body is None else _content(body, kind)
    if content is not None:
        headers["Content-Type"] = kind
    query = {str(name): to_text(value) for name, value in _map(arguments["query"], "query").items()}
    options = _map(arguments["options"], "options")
    try:
        with (
            httpx.Client(timeout=_seconds(options), follow_redirects=True) as client,
            client.stream(
                method.upper(), uri, params=query or None, headers=headers, content=content
            ) as response,
        ):
            data = _body(response, longest)
            if response.status_code >= 400:
                raise Fault(
                    f"Failed http request with response code '{response.status_code}' "
                    f"and body: {data[:500].decode(errors='replace')}"
                )
            return _read(data, response)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise Fault(f"Failed http request to {uri[:200]}: {error}") from None


def _map(value: Any, name: str) -> Mapping[Any, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise Fault(f"The 'http' function expects a map as argument '{name}'.")
    return value


def _seconds(options: Mapping[Any, Any]) -> float:
    from domain.duration import InvalidDuration, parse_duration

    timeout = options.get("timeout")
    if isinstance(timeout, Mapping):
        timeout = timeout.get("readIdleTimeout")
    if timeout is None:
        return _SECONDS
    try:
        return min(_MOST_SECONDS, max(0.001, parse_duration(timeout).total_seconds()))
    except InvalidDuration as error:
        raise Fault(str(error)) from None


def _content(body: Any, kind: str) -> bytes:
    if isinstance(body, str):
        return body.encode()
    if "json" in kind:
        return to_json(body).encode()
    if "yaml" in kind:
        return write_yaml(body, 10 * 1024 * 1024).encode()
    if "x-www-form-urlencoded" in kind and isinstance(body, Mapping):
        pairs = {str(name): to_text(value) for name, value in body.items()}
        return str(httpx.QueryParams(pairs)).encode()
    return to_text(body).encode()


def _body(response: httpx.Response, longest: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    for chunk in response.iter_bytes():
        chunks.append(chunk)
        size += len(chunk)
        if size > longest:
            raise LimitFault("The answer of the http request is too long.")
    return b"".join(chunks)


def _read(data: bytes, response: httpx.Response) -> Any:
    kind = response.headers.get("content-type", "")
    text = data.decode(response.charset_encoding or "utf-8", errors="replace")
    if not text:
        return None
    if "yaml" in kind:
        return read_yaml(text)
    if "json" not in kind:
        return text
    return read_json(text)
