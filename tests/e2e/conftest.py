"""One running Tidewheel per engine for the tests that do it no harm."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest

from tests.support.rest import Rest
from tests.support.running import ENGINES, Running, prepare

LONG = "passwordveryveryveyrlong" * 5
ENVIRONMENT = {
    "ENV_TEST1": "true",
    "ENV_TEST2": "Pass by env",
    "TIDEWHEEL_VARIABLES_GLOBALS": (
        '{"string": "string", "int": 1, "bool": true, "nested": {"int": 2}}'
    ),
    "SECRET_MY_SECRET": base64.b64encode(b'{"secretKey":"secretValue"}').decode(),
    "SECRET_WEBHOOK_KEY": base64.b64encode(b"secretKey").decode(),
    "SECRET_NEW_LINE": base64.encodebytes(LONG.encode()).decode(),
}
"""What the conformance cases want a server to have been given."""


@pytest.fixture(scope="session", params=ENGINES)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """A server that many tests share, each with namespaces of its own."""
    folder = tmp_path_factory.mktemp(request.param)
    with prepare(request.param, request, folder, ENVIRONMENT) as running:
        yield running


@pytest.fixture
def rest(server: Running) -> Rest:
    """The client of the shared server."""
    return server.rest
