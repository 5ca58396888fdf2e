"""Impure functions inside the executor: answered from the step's context, or asked for.

Time and chance are functions of the command: `now()` is its timestamp, ids and numbers are derived.
Everything that needs I/O raises `LookupNeeded`; the step goes on when the answer is there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from domain.dates.formatting import format_date
from domain.dates.zones import named_zone
from domain.errors import TidewheelError
from domain.execution.context import Answer, Context, Question
from domain.execution.state import Execution
from domain.expression import Fault, Scope
from domain.expression.chance import ksuid, nano_id, random_int
from domain.ids import derived

OUTPUTS: Final = "outputs"
"""Name of the question for outputs by reference: the JSON value of the file at `uri`."""

WORKERS: Final = "workers"
"""Name of the question whether a worker of the `group` lives: true or false."""

STORE: Final = "store"
"""Name of the order to write `content` to the file at `uri`; its answer is the URI."""

LINE_COUNT: Final = "lineCount"
"""Name of the question how many values the file at `uri` has, one a line, at most `most`."""

LINES: Final = "lines"
"""Name of the question for at most `most` values of the file at `uri`, from the byte `at` on: a map
of `values` and of `next`, the byte that follows them."""

WITHHELD: Final = frozenset({"secret", "credential", "decrypt", OUTPUTS})
"""Questions whose answers are not recorded: secrets, and what stands in a file of its own."""

_ENCODER: Final = msgspec.json.Encoder(order="deterministic", enc_hook=str)
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class LookupNeeded(Exception):
    """An expression asks what the context does not know."""

    def __init__(self, question: Question) -> None:
        super().__init__(question.key)
        self.question = question


class StepLookups:
    """The lookups of one step. Notes which answers were used, for the record."""

    __slots__ = ("_state", "context", "count", "used")

    def __init__(self, state: Execution, context: Context) -> None:
        self._state = state
        self.context = context
        self.count = 0
        """How often chance was asked for in this step."""
        self.used: dict[str, tuple[str, Answer]] = {}
        """Answers used since they were last recorded: key to function and answer."""

    def call(self, name: str, arguments: Mapping[str, Any], scope: Scope) -> Any:
        """Return the function's value; see `domain.expression.Lookups`."""
        pure = _PURE.get(name)
        if pure is not None:
            return pure(self, arguments, scope)
        return self._answered(name, arguments)

    def _answered(self, name: str, arguments: Mapping[str, Any], content: str | None = None) -> Any:
        """Return the answer to a question; what is to be written is no part of its key."""
        key = f"{name}{_ENCODER.encode(dict(arguments)).decode()}"
        answer = self.context.answers.get(key)
        if answer is None:
            state = self._state
            raise LookupNeeded(
                Question(
                    key=key,
                    name=name,
                    arguments=dict(arguments) | ({} if content is None else {"content": content}),
                    tenant=state.tenant,
                    namespace=state.namespace,
                    execution_id=state.id,
                    flow_id=state.flow_id,
                    trigger={} if state.trigger is None else state.trigger.variables,
                )
            )
        self.used[key] = (name, answer)
        if answer.error is not None:
            raise Fault(answer.error)
        return answer.value

    def outputs(self, uri: str) -> dict[str, Any]:
        """Return outputs that are in a file because they are too large for the log.

        Raises:
            LookupNeeded: the file must be read first.
            Fault: it cannot be read.
        """
        found = self._answered(OUTPUTS, {"uri": uri})
        return found if isinstance(found, dict) else {}

    def stored(self, uri: str, value: dict[str, Any]) -> str:
        """Have a value written to a file in internal storage, as one line of JSON.

        Done anew the file is overwritten: it is there before the step's events are.

        Returns:
            Its URI.

        Raises:
            LookupNeeded: it must be written first.
            Fault: it cannot be written.
        """
        content = _ENCODER.encode(value).decode() + "\n"
        return str(self._answered(STORE, {"uri": uri}, content))

    def line_count(self, uri: str, most: int) -> int:
        """Return how many values a file has, one a line.

        Raises:
            LookupNeeded: the file must be read first.
            Fault: it cannot be read, or has more than `most`.
        """
        return int(self._answered(LINE_COUNT, {"uri": uri, "most": most}))

    def lines(self, uri: str, at: int, most: int) -> tuple[list[str], int]:
        """Return some values of a file, one a line.

        Args:
            uri: the file.
            at: byte from which on.
            most: how many at most; there may be fewer, one at least.

        Returns:
            The values, and the byte that follows them.

        Raises:
            LookupNeeded: the file must be read first.
            Fault: it cannot be read, or there is none any more.
        """
        found = self._answered(LINES, {"uri": uri, "at": at, "most": most})
        return [str(value) for value in found["values"]], int(found["next"])

    def has_workers(self, group: str) -> bool:
        """Tell whether a worker of a group lives.

        Raises:
            LookupNeeded: the outside world must be asked first.
            Fault: nobody knows.
        """
        return bool(self._answered(WORKERS, {"group": group}))

    def noise(self) -> int:
        """Return a number of 128 bits that looks like chance and is the same in every replay."""
        self.count += 1
        text = derived("noise", self._state.id, self.context.command_offset, self.count)
        number = 0
        for letter in text:
            number = number * 62 + _DIGITS.index(letter)
        return number

    def _now(self, arguments: Mapping[str, Any], scope: Scope) -> Any:
        form, zone, locale = (arguments.get(name) for name in ("format", "timeZone", "locale"))
        try:
            moment = self.context.now.astimezone(named_zone(str(zone)) if zone else scope.zone)
            return format_date(moment, str(form or "iso"), str(locale or scope.locale))
        except TidewheelError as error:
            raise Fault(str(error)) from error

    def _id(self, arguments: Mapping[str, Any], scope: Scope) -> Any:
        del arguments, scope
        self.count += 1
        return derived("id", self._state.id, self.context.command_offset, self.count)

    def _uuid(self, arguments: Mapping[str, Any], scope: Scope) -> Any:
        del arguments, scope
        digits = f"{self.noise():032x}"[-32:]
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:]}"

    def _pick(self, count: int) -> int:
        return self.noise() % count

    def _ksuid(self, arguments: Mapping[str, Any], scope: Scope) -> Any:
        del arguments, scope
        return ksuid(self.context.now, self._pick)

    def _nano_id(self, arguments: Mapping[str, Any], scope: Scope) -> Any:
        del scope
        return nano_id(arguments, self._pick)

    def _random_int(self, arguments: Mapping[str, Any], scope: Scope) -> Any:
        del scope
        return random_int(arguments, self._pick)

    def _random_port(self, arguments: Mapping[str, Any], scope: Scope) -> Any:
        del arguments, scope
        return 1024 + self.noise() % (65_535 - 1024)

    def _env(self, arguments: Mapping[str, Any], scope: Scope) -> Any:
        del scope
        value = self.context.settings.envs.get(str(arguments["name"]))
        return value or arguments.get("default")


_PURE: Final[dict[str, Callable[[StepLookups, Mapping[str, Any], Scope], Any]]] = {
    "now": StepLookups._now,  # noqa: SLF001 - one module
    "id": StepLookups._id,  # noqa: SLF001
    "ksuid": StepLookups._ksuid,  # noqa: SLF001
    "nanoId": StepLookups._nano_id,  # noqa: SLF001
    "uuid": StepLookups._uuid,  # noqa: SLF001
    "randomInt": StepLookups._random_int,  # noqa: SLF001
    "randomPort": StepLookups._random_port,  # noqa: SLF001
    "env": StepLookups._env,  # noqa: SLF001
}
