"""One operating system process: its parts, started in order, stopped in the reverse order.

Parts run on threads of their own; Faust apps and HTTP servers share the main thread's event loop.
What forbids to go on ends the process at once: recovery is from the log.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping

import uvicorn

from api.options import Limits
from domain.errors import TidewheelError
from domain.record.topics import CATALOGUE
from infra.assembly import Assembly
from infra.config import Config, load_config
from infra.http import guarded
from infra.logs import set_up_logging
from infra.shop import open_log
from infra.wiring import assemble

_log = logging.getLogger("tidewheel")
_FATAL = 70
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def serve(
    name: str,
    config: Config,
    roles: frozenset[str],
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Run the parts of some roles until SIGINT or SIGTERM.

    Args:
        name: of the component, for logs.
        config: the configuration; its engine decides how handlers are driven.
        roles: of `executor`, `scheduler`, `worker`, `indexer`, `webserver`.
        ready: called once when everything runs.
    """
    set_up_logging(name, config.server.log_level, config.server.log_format)
    threading.excepthook = thread_failed
    # a hop between threads waits for the interpreter; the default of 5 ms is longer than a hop
    sys.setswitchinterval(0.0005)
    ports = [config.management_port]
    if "webserver" in roles:
        ports.insert(0, config.server.port)
    # before anything starts: a port that is taken is told at once, and nothing has happened
    sockets = [_listening(config.server.host, port) for port in ports]
    with asyncio.Runner(loop_factory=_loop_factory(config)) as runner:
        runner.run(_serve(config, roles, sockets, ready))


def create_topics(environment: Mapping[str, str]) -> None:
    """Create the topics of the catalogue that are missing, as the environment configures them."""
    config = load_config({**environment, "TIDEWHEEL_ENGINE": "distributed"})
    log = open_log(config)
    try:
        log.ensure_topics([topic.name for topic in CATALOGUE])
    finally:
        log.close()


def _listening(host: str, port: int) -> socket.socket:
    """Return a socket bound to a port; raises PortInUse."""
    found = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
    except OSError as error:
        found.close()
        raise PortInUse(
            f"cannot listen on {host}:{port}: {error.strerror}. Stop what uses it, or choose"
            " another port (PORT for `make run`, TIDEWHEEL_SERVER_PORT otherwise; the next one is"
            " for health and metrics)"
        ) from error
    found.setblocking(False)
    return found


class PortInUse(TidewheelError):
    """A port that the process needs is taken."""

    code = "PROCESS001"


async def _serve(
    config: Config,
    roles: frozenset[str],
    sockets: list[socket.socket],
    ready: Callable[[], None],
) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, stop.set)
    assembly = await asyncio.to_thread(
        assemble, config, roles, fatal, lambda call: _soon(loop, call)
    )
    servers = _servers(config, assembly)
    tasks: list[asyncio.Task[None]] = []
    try:
        await asyncio.to_thread(assembly.start)
        tasks += [asyncio.create_task(_run_agents(assembly, stop))] if assembly.apps else []
        tasks += [
            asyncio.create_task(server.serve([bound]))
            for server, bound in zip(servers, sockets, strict=True)
        ]
        await _until_up(servers, tasks)
        assembly.up.set()
        ready()
        _log.info("ready: %s on the %s engine", ", ".join(sorted(roles)), config.engine)
        waiting = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait({waiting, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        for task in done - {waiting}:
            task.result()
        _log.info("stopping")
    finally:
        assembly.up.clear()
        stop.set()
        for server in servers:
            server.should_exit = True
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(assembly.close)


async def _run_agents(assembly: Assembly, stop: asyncio.Event) -> None:
    from streams.agent import run_app

    await asyncio.gather(*(run_app(app, stop) for app in assembly.apps))


async def _until_up(servers: list[Server], tasks: list[asyncio.Task[None]]) -> None:
    async def all_up() -> None:
        for server in servers:
            await server.up.wait()

    up = asyncio.create_task(all_up())
    done, _ = await asyncio.wait({up, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    if up not in done:
        up.cancel()
        for early in done:
            early.result()  # a server that ended before it was up tells why
        raise RuntimeError("a part ended before everything was up")


class Server(uvicorn.Server):
    """Uvicorn without signals of its own, that tells when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the process."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        if self.started:
            self.up.set()


def _servers(config: Config, assembly: Assembly) -> list[Server]:
    host = config.server.host
    limits = config.api.limits
    found = [Server(_uvicorn(assembly.management, host, config.management_port, limits))]
    if assembly.api is not None:
        found.insert(0, Server(_uvicorn(assembly.api, host, config.server.port, limits)))
    return found


def _uvicorn(app: object, host: str, port: int, limits: Limits) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=3,
        timeout_keep_alive=75,
        http=guarded(limits),
        ws="none",
    )


def _loop_factory(config: Config) -> Callable[[], asyncio.AbstractEventLoop] | None:
    if config.engine != "embedded":
        return None  # Faust is used as it was measured, on the standard loop
    import uvloop

    return uvloop.new_event_loop


def _soon(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(call)


def fatal(error: BaseException) -> None:
    """End the process at once: what it holds is rebuilt from the log."""
    _log.critical("cannot go on, the process ends: %s", error, exc_info=error)
    logging.shutdown()
    os._exit(_FATAL)


def thread_failed(arguments: threading.ExceptHookArgs) -> None:
    """A thread that dies unseen would leave the process half alive: end it."""
    fatal(arguments.exc_value or RuntimeError("a thread ended by an error"))
