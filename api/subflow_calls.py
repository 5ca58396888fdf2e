"""`subflow()` in the inputs of a flow: begins an execution, waits for it, tells what came of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as LateAnswer
from datetime import timedelta
from typing import Any, Final, TypeVar

import msgspec

from api.errors import ApiError
from api.labels import CORRELATION_ID, SYSTEM_PREFIX
from domain.duration import InvalidDuration, parse_duration
from domain.errors import LogUnavailable
from domain.execution.lifecycle import StateType
from domain.execution.state import Execution
from domain.expression import Fault, Lookups, Scope

MOST_DEPTH: Final = 3
"""Calls inside calls: a flow that calls itself ends here."""
LONGEST: Final = timedelta(minutes=5)
_USUAL: Final = timedelta(minutes=1)
_GRACE: Final = 15.0
"""Seconds that beginning an execution may take beside its run."""
_GOOD: Final = frozenset({StateType.SUCCESS, StateType.WARNING})

_Result = TypeVar("_Result")


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """What a flow asks for."""

    namespace: str
    flow_id: str
    revision: int | None = None
    inputs: Mapping[str, Any] = {}
    labels: Mapping[str, str] = {}
    seconds: float = _USUAL.total_seconds()
    """How long the execution may take."""
    depth: int = 1
    """1: called by the inputs of the execution that somebody begins."""


Run = Callable[[Call], Awaitable[Execution | None]]
"""Begins an execution and returns it at its end; None: it has not ended in time.

Raises ApiError: it cannot be begun.
"""


class SubflowLookups:
    """Lookups that also answer `subflow()`. Asked on a thread that is not the event loop's.

    Args:
        others: answers everything else.
        run: what begins and waits; runs on `loop`.
        loop: the event loop of the webserver.
        depth: of the calls that are made here.
    """

    def __init__(
        self, others: Lookups, run: Run, loop: asyncio.AbstractEventLoop, depth: int
    ) -> None:
        self._others = others
        self._run = run
        self._loop = loop
        self._depth = depth

    def call(self, name: str, arguments: Mapping[str, Any], scope: Scope) -> Any:
        """Return the function's value; see `domain.expression.Lookups`."""
        if name != "subflow":
            return self._others.call(name, arguments, scope)
        if "taskrun" in scope.variables or "trigger" in scope.variables:
            raise Fault("The 'subflow' function cannot be used by a task or trigger.")
        call = read_call(arguments, self._depth)
        # the coroutine is made on the loop: here only its answer is waited for
        answer = asyncio.run_coroutine_threadsafe(self._awaited(call), self._loop)
        try:
            ended = answer.result(call.seconds + _GRACE)
        except ApiError as error:
            raise Fault(f"The subflow '{call.flow_id}' was not run: {error.message}") from None
        except (LateAnswer, CancelledError, LogUnavailable):
            answer.cancel()
            ended = None
        return _told(call, ended)

    async def _awaited(self, call: Call) -> Execution | None:
        return await self._run(call)


def read_call(arguments: Mapping[str, Any], depth: int) -> Call:
    """Read the arguments of `subflow()`.

    Raises:
        Fault: one of them is wrong, or the call is nested too deep.
    """
    namespace, flow_id = arguments["namespace"], arguments["id"]
    if not (isinstance(namespace, str) and namespace and isinstance(flow_id, str) and flow_id):
        raise Fault("The 'subflow' function expects the arguments 'namespace' and 'id'.")
    if depth > MOST_DEPTH:
        raise Fault(f"The 'subflow' function was called beyond its maximum depth of {MOST_DEPTH}.")
    revision = arguments["revision"]
    if revision is not None and (not isinstance(revision, int) or isinstance(revision, bool)):
        raise Fault("The 'subflow' function expects a whole number as argument 'revision'.")
    labels = {str(key): str(value) for key, value in _map(arguments, "labels").items()}
    for key in labels:
        if key.startswith(SYSTEM_PREFIX) and key != CORRELATION_ID:
            raise Fault(f"The 'subflow' function cannot set the system label '{key}'.")
    return Call(
        namespace=namespace,
        flow_id=flow_id,
        revision=revision,
        inputs=_map(arguments, "inputs"),
        labels=labels,
        seconds=_span(arguments["timeout"]).total_seconds(),
        depth=depth,
    )


async def in_own_thread(work: Callable[[], _Result]) -> _Result:
    """Return what a function returns that may wait for minutes; no shared thread waits with it."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[_Result] = loop.create_future()

    def settle(error: BaseException | None, value: Any = None) -> None:
        if result.done():
            return
        if error is None:
            result.set_result(value)
        else:
            result.set_exception(error)

    def run() -> None:
        try:
            value = work()
        except BaseException as error:  # noqa: BLE001 - told to who waits
            loop.call_soon_threadsafe(settle, error)
        else:
            loop.call_soon_threadsafe(settle, None, value)

    threading.Thread(target=run, name="subflow-inputs", daemon=True).start()
    return await result


def _told(call: Call, ended: Execution | None) -> dict[str, Any]:
    if ended is None:
        raise Fault(f"The subflow '{call.flow_id}' has not ended within {call.seconds:g} seconds.")
    state = ended.state.current
    if state not in _GOOD:
        raise Fault(f"The subflow '{call.flow_id}' ended {state.value} (execution {ended.id}).")
    return {
        "id": ended.id,
        "state": state.value,
        "outputs": ended.outputs or {},
        "labels": {label.key: label.value for label in ended.labels},
    }


def _map(arguments: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = arguments[name]
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise Fault(f"The 'subflow' function expects a map as argument '{name}'.")
    return value


def _span(value: Any) -> timedelta:
    if value is None:
        return _USUAL
    try:
        span = value if isinstance(value, timedelta) else parse_duration(str(value))
    except InvalidDuration:
        raise Fault(
            "The 'subflow' function expects a duration, such as PT30S, as argument 'timeout'."
        ) from None
    if not timedelta() < span <= LONGEST:
        raise Fault(
            "The argument 'timeout' of 'subflow' is not positive or exceeds the maximum PT5M."
        )
    return span
