"""Ask a process on this machine over HTTP how it is."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request

# a proxy of the environment has no say about our own machine
_open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open


def is_healthy(url: str, timeout: float) -> bool:
    """Whether a GET of `url` (http) answers 200 within `timeout` seconds."""
    try:
        with _open(url, timeout=timeout) as response:
            return bool(response.status == http.HTTPStatus.OK)
    except urllib.error.HTTPError as error:
        error.close()
        return False
    except (OSError, http.client.HTTPException):
        return False
