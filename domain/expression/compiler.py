"""Expressions to closures. A closure takes the `Run` and returns the value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from domain.expression import checks, functions
from domain.expression.errors import Fault, LimitFault, UndefinedVariable
from domain.expression.filters import FILTERS
from domain.expression.impure import LOOKUPS
from domain.expression.members import call_member, read_member
from domain.expression.operators import BINARY, UNARY
from domain.expression.registry import Signature
from domain.expression.runtime import Evaluator, Run, faulty
from domain.expression.syntax import (
    Arguments,
    Attribute,
    Binary,
    Call,
    Concat,
    Expression,
    Filter,
    Function,
    ListLiteral,
    Literal,
    MapLiteral,
    Name,
    Ternary,
    Test,
    Unary,
)
from domain.expression.text import java_text
from domain.expression.values import truth

_LOOKUP_STEPS: Final = 10
_CAPTURE_STEPS: Final = 5
NET: Final = (Fault, ValueError, ArithmeticError)
"""What a pure filter, function or operator may raise about its values."""


class ExpressionCompiler:
    """Compiles the expressions of one template.

    Args:
        has_locals: whether the template makes names of its own; without any, names are looked up
            straight.
    """

    def __init__(self, *, has_locals: bool) -> None:
        self._has_locals = has_locals

    def compile(self, node: Expression) -> Evaluator:
        """Return the closure of an expression."""
        match node:
            case Literal(value):
                return _constant(value)
            case Name(name, offset):
                return _local_name(name, offset) if self._has_locals else _name(name, offset)
            case Attribute(target, Literal(str() as key), _, offset):
                return _attribute(self.compile(target), key, offset, "")
            case Attribute(target, key_expression, _, offset):
                return _item(self.compile(target), self.compile(key_expression), offset)
            case Call(target, member, arguments, offset):
                return self._call(self.compile(target), member, arguments, offset)
            case Function():
                return self._function(node)
            case Filter():
                return self._filter(node)
            case Test():
                return self._test(node)
            case Unary(operator, operand, offset):
                return _unary(operator, self.compile(operand), offset)
            case Binary():
                return self._binary(node)
            case Concat(parts, offset):
                return _concat([self.compile(part) for part in parts], offset)
            case Ternary(condition, yes, no, offset):
                return _ternary(
                    self.compile(condition), self.compile(yes), self.compile(no), offset
                )
            case ListLiteral(items, _):
                return _list([self.compile(item) for item in items])
            case MapLiteral(entries, offset):
                pairs = [(self.compile(key), self.compile(value)) for key, value in entries]
                return _map(pairs, offset)

    def filter_call(
        self, name: str, arguments: Arguments, offset: int
    ) -> Callable[[Run, Any], Any]:
        """Return a filter bound to its arguments, which takes the value."""
        if name == "jq":
            return self._jq(arguments, offset)
        signature = FILTERS.get(name)
        if signature is None or signature.call is None:
            return _failing_filter(f"Filter [{name}] does not exist.", offset)
        try:
            bound = self._bind(signature, arguments)
        except Fault as fault:
            return _failing_filter(str(fault), offset)
        return _filter(signature.call, bound, offset)

    def _bind(self, signature: Signature, arguments: Arguments) -> list[Evaluator]:
        return signature.bind(
            [self.compile(argument) for argument in arguments.positional],
            [(name, self.compile(argument)) for name, argument in arguments.named],
            _constant,
        )

    def _jq(self, arguments: Arguments, offset: int) -> Callable[[Run, Any], Any]:
        signature = Signature("jq", "filter", (("expression", LOOKUPS["kv"].parameters[0][1]),))
        try:
            (expression,) = self._bind(signature, arguments)
        except Fault as fault:
            return _failing_filter(str(fault), offset)

        def jq(run: Run, value: Any) -> Any:
            program = expression(run)
            try:
                if value is None:
                    return None
                if not isinstance(program, str):
                    raise Fault("The 'jq' filter expects a text as argument 'expression'.")
                run.budget.spend(_LOOKUP_STEPS)
                asked = {"input": value, "expression": program}
                return run.checked(run.scope.lookups.call("jq", asked, run.scope))
            except Fault as fault:
                raise run.error(fault, offset) from None

        return jq

    def _filter(self, node: Filter) -> Evaluator:
        value = self.compile(node.value)
        apply = self.filter_call(node.name, node.arguments, node.offset)
        if node.name == "default":

            def default(run: Run) -> Any:
                try:
                    found = value(run)
                except UndefinedVariable:
                    found = None
                return apply(run, found)

            return default

        def filtered(run: Run) -> Any:
            return apply(run, value(run))

        return filtered

    def _test(self, node: Test) -> Evaluator:
        value, offset, negated = self.compile(node.value), node.offset, node.negated
        if node.name == "defined":

            def is_defined(run: Run) -> bool:
                try:
                    return (value(run) is not None) is not negated
                except UndefinedVariable:
                    return negated

            return is_defined
        signature = checks.TESTS.get(node.name)
        if signature is None or signature.call is None:
            return _placed(faulty(f"Test [{node.name}] does not exist."), offset)
        call = signature.call
        try:
            bound = self._bind(signature, node.arguments)
        except Fault as fault:
            return _placed(faulty(str(fault)), offset)

        def test(run: Run) -> bool:
            found = value(run)
            arguments = [argument(run) for argument in bound]
            try:
                return bool(call(run, found, *arguments)) is not negated
            except NET as fault:
                raise run.error(fault, offset) from None

        return test

    def _binary(self, node: Binary) -> Evaluator:
        left, right = self._left_of(node), self.compile(node.right)
        match node.operator:
            case "and" | "or":
                return _logic(left, right, node.offset, ends_on=node.operator == "or")
            case "??":
                return _coalesce(left, right)
            case "???":
                return _coalesce_undefined(left, right)
            case _:
                pass
        operate, offset = BINARY[node.operator], node.offset

        def binary(run: Run) -> Any:
            first = left(run)
            second = right(run)
            try:
                return operate(first, second, run)
            except NET as fault:
                raise run.error(fault, offset) from None

        return binary

    def _left_of(self, node: Binary) -> Evaluator:
        """Compile the left operand; `a.b-c` without blanks gets a hint about brackets."""
        left, right = node.left, node.right
        if node.operator == "-" and isinstance(left, Attribute) and left.name is not None:
            while isinstance(right, (Attribute, Call)):
                right = right.target
            starts = left.offset + len(left.name)
            if isinstance(right, Name) and right.offset == node.offset + 1 == starts + 1:
                hint = f"did you mean `['{left.name}-{right.name}']`?"
                return _attribute(self.compile(left.target), left.name, left.offset, hint)
        return self.compile(left)

    def _call(self, target: Evaluator, member: str, arguments: Arguments, offset: int) -> Evaluator:
        bound = [self.compile(argument) for argument in arguments.positional]
        named = bool(arguments.named)

        def call(run: Run) -> Any:
            value = target(run)
            values = [argument(run) for argument in bound]
            try:
                if value is None or named:
                    raise KeyError(member)
                return run.checked(call_member(run, value, member, values))
            except KeyError:
                raise run.undefined(member, offset) from None
            except NET as fault:
                raise run.error(fault, offset) from None

        return call

    def _function(self, node: Function) -> Evaluator:
        name, offset = node.name, node.offset
        if name == "block":
            return self._block(node)
        if name in LOOKUPS:
            return self._lookup(LOOKUPS[name], node.arguments, offset)
        signature = functions.FUNCTIONS.get(name)
        if signature is None or signature.call is None:
            return self._macro(node)
        call = signature.call
        try:
            bound = self._bind(signature, node.arguments)
        except Fault as fault:
            return _placed(faulty(str(fault)), offset)

        def function(run: Run) -> Any:
            arguments = [argument(run) for argument in bound]
            try:
                return run.checked(call(run, *arguments))
            except NET as fault:
                raise run.error(fault, offset) from None

        return function

    def _lookup(self, signature: Signature, arguments: Arguments, offset: int) -> Evaluator:
        name = signature.name
        names = [parameter for parameter, _ in signature.parameters]
        try:
            bound = self._bind(signature, arguments)
        except Fault as fault:
            return _placed(faulty(str(fault)), offset)

        def lookup(run: Run) -> Any:
            asked = {parameter: value(run) for parameter, value in zip(names, bound, strict=True)}
            try:
                run.budget.spend(_LOOKUP_STEPS)
                return run.checked(run.scope.lookups.call(name, asked, run.scope))
            except Fault as fault:
                raise run.error(fault, offset) from None

        return lookup

    def _macro(self, node: Function) -> Evaluator:
        name, offset = node.name, node.offset
        positional = [self.compile(argument) for argument in node.arguments.positional]
        named = [(key, self.compile(argument)) for key, argument in node.arguments.named]

        def macro(run: Run) -> Any:
            made = run.macros.get(name)
            try:
                if made is None:
                    raise Fault(f"Function or Macro [{name}] does not exist.")
                by_place = tuple(argument(run) for argument in positional)
                by_name = {key: argument(run) for key, argument in named}
                return run.checked(made(run, by_place, by_name))
            except Fault as fault:
                raise run.error(fault, offset) from None

        return macro

    def _block(self, node: Function) -> Evaluator:
        offset = node.offset
        arguments = [self.compile(argument) for argument in node.arguments.positional]

        def block(run: Run) -> Any:
            name = arguments[0](run) if arguments else None
            writer = run.blocks.get(name) if isinstance(name, str) else None
            try:
                if writer is None:
                    raise Fault(f"Block [{java_text(name)}] does not exist.")
                run.budget.spend()
                return run.checked(captured(run, writer))
            except Fault as fault:
                raise run.error(fault, offset) from None

        return block


def captured(run: Run, write: Callable[[Run, list[Any]], None]) -> str:
    """Return what a node prints as text, maps and lists the Java way.

    Raises:
        LimitFault: nested too deeply, or too long.
    """
    printed_json, run.prints_json = run.prints_json, False
    run.depth += 1
    if run.depth > run.scope.limits.depth:
        raise LimitFault("Macros are nested too deeply.")
    run.budget.spend(_CAPTURE_STEPS)
    out: list[Any] = []
    try:
        write(run, out)
    finally:
        run.prints_json = printed_json
        run.depth -= 1
    return joined(run, [java_text(part, run.scope.limits.output_characters) for part in out])


def joined(run: Run, parts: list[str]) -> str:
    """Return parts as one text.

    Raises:
        LimitFault: it would be longer than allowed.
    """
    if sum(map(len, parts)) > run.scope.limits.output_characters:
        raise LimitFault("The text is longer than allowed.")
    return "".join(parts)


def _constant(value: Any) -> Evaluator:
    return lambda _run: value


def _placed(evaluate: Evaluator, offset: int) -> Evaluator:
    def placed(run: Run) -> Any:
        try:
            return evaluate(run)
        except Fault as fault:
            raise run.error(fault, offset) from None

    return placed


def _name(name: str, offset: int) -> Evaluator:
    def read(run: Run) -> Any:
        try:
            return run.variables[name]
        except KeyError:
            raise run.undefined(name, offset) from None

    return read


def _local_name(name: str, offset: int) -> Evaluator:
    def read(run: Run) -> Any:
        for made in reversed(run.locals):
            if name in made:
                return made[name]
        try:
            return run.variables[name]
        except KeyError:
            raise run.undefined(name, offset) from None

    return read


def _attribute(target: Evaluator, key: str, offset: int, hint: str) -> Evaluator:
    def read(run: Run) -> Any:
        value = target(run)
        if isinstance(value, dict):
            try:
                return value[key]
            except KeyError:
                raise run.undefined(key, offset, hint) from None
        try:
            return read_member(value, key)
        except KeyError:
            raise run.undefined(key, offset, hint) from None
        except Fault as fault:
            raise run.error(fault, offset) from None

    return read


def _item(target: Evaluator, key: Evaluator, offset: int) -> Evaluator:
    def read(run: Run) -> Any:
        value = target(run)
        wanted = key(run)
        try:
            return read_member(value, wanted)
        except KeyError:
            raise run.undefined(java_text(wanted)[:200], offset) from None
        except Fault as fault:
            raise run.error(fault, offset) from None

    return read


def _unary(operator: str, operand: Evaluator, offset: int) -> Evaluator:
    operate: Callable[[Any], Any] = UNARY.get(operator, _not)

    def unary(run: Run) -> Any:
        value = operand(run)
        try:
            return operate(value)
        except NET as fault:
            raise run.error(fault, offset) from None

    return unary


def _not(value: Any) -> bool:
    return not truth(value)


def _logic(left: Evaluator, right: Evaluator, offset: int, *, ends_on: bool) -> Evaluator:
    def logic(run: Run) -> bool:
        try:
            if truth(left(run)) is ends_on:
                return ends_on
            return truth(right(run))
        except Fault as fault:
            raise run.error(fault, offset) from None

    return logic


def _coalesce(left: Evaluator, right: Evaluator) -> Evaluator:
    def coalesce(run: Run) -> Any:
        try:
            value = left(run)
        except UndefinedVariable:
            return right(run)
        return right(run) if value is None else value

    return coalesce


def _coalesce_undefined(left: Evaluator, right: Evaluator) -> Evaluator:
    def coalesce(run: Run) -> Any:
        try:
            return left(run)
        except UndefinedVariable:
            return right(run)

    return coalesce


def _concat(parts: list[Evaluator], offset: int) -> Evaluator:
    if len(parts) == 1:
        return parts[0]

    def concat(run: Run) -> str:
        values = [part(run) for part in parts]
        try:
            longest = run.scope.limits.output_characters
            text = joined(run, [java_text(value, longest) for value in values])
            run.budget.pay_text(len(text))
            return text
        except Fault as fault:
            raise run.error(fault, offset) from None

    return concat


def _ternary(condition: Evaluator, yes: Evaluator, no: Evaluator, offset: int) -> Evaluator:
    def ternary(run: Run) -> Any:
        value = condition(run)
        try:
            holds = value is not None and truth(value)
        except Fault as fault:
            raise run.error(fault, offset) from None
        return yes(run) if holds else no(run)

    return ternary


def _list(items: list[Evaluator]) -> Evaluator:
    return lambda run: [item(run) for item in items]


def _map(pairs: list[tuple[Evaluator, Evaluator]], offset: int) -> Evaluator:
    def build(run: Run) -> Mapping[Any, Any]:
        try:
            return {key(run): value(run) for key, value in pairs}
        except TypeError:
            fault = Fault("A list or map cannot be the key of a map.")
            raise run.error(fault, offset) from None

    return build


def _filter(
    call: Callable[..., Any], bound: list[Evaluator], offset: int
) -> Callable[[Run, Any], Any]:
    def apply(run: Run, value: Any) -> Any:
        arguments = [argument(run) for argument in bound]
        try:
            return run.checked(call(run, value, *arguments))
        except NET as fault:
            raise run.error(fault, offset) from None

    return apply


def _failing_filter(reason: str, offset: int) -> Callable[[Run, Any], Any]:
    def fail(run: Run, value: Any) -> Any:
        del value
        raise run.error(Fault(reason), offset)

    return fail
