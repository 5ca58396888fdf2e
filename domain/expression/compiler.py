"""Expressions to closures. A closure takes the `Run` and returns the value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from domain.expression import checks, closures, functions
from domain.expression.closures import NET
from domain.expression.errors import Fault, UndefinedVariable
from domain.expression.filters import FILTERS
from domain.expression.impure import LOOKUPS
from domain.expression.members import call_member
from domain.expression.operators import BINARY
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

_LOOKUP_STEPS: Final = 10


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
                return closures.constant(value)
            case Name(name, offset):
                return (
                    closures.local_name(name, offset)
                    if self._has_locals
                    else closures.name(name, offset)
                )
            case Attribute(target, Literal(str() as key), _, offset):
                variable = target.name if isinstance(target, Name) else None
                return closures.attribute(self.compile(target), key, offset, "", variable)
            case Attribute(target, key_expression, _, offset):
                return closures.item(self.compile(target), self.compile(key_expression), offset)
            case Call(target, member, arguments, offset):
                return self._call(self.compile(target), member, arguments, offset)
            case Function():
                return self._function(node)
            case Filter():
                return self._filter(node)
            case Test():
                return self._test(node)
            case Unary(operator, operand, offset):
                return closures.unary(operator, self.compile(operand), offset)
            case Binary():
                return self._binary(node)
            case Concat(parts, offset):
                return closures.concat([self.compile(part) for part in parts], offset)
            case Ternary(condition, yes, no, offset):
                return closures.ternary(
                    self.compile(condition), self.compile(yes), self.compile(no), offset
                )
            case ListLiteral(items, _):
                return closures.list_([self.compile(item) for item in items])
            case MapLiteral(entries, offset):
                pairs = [(self.compile(key), self.compile(value)) for key, value in entries]
                return closures.map_(pairs, offset)

    def filter_call(
        self, name: str, arguments: Arguments, offset: int
    ) -> Callable[[Run, Any], Any]:
        """Return a filter bound to its arguments, which takes the value."""
        if name == "jq":
            return self._jq(arguments, offset)
        signature = FILTERS.get(name)
        if signature is None or signature.call is None:
            return closures.failing_filter(f"Filter [{name}] does not exist.", offset)
        try:
            bound = self._bind(signature, arguments)
        except Fault as fault:
            return closures.failing_filter(str(fault), offset)
        return closures.filter_(signature.call, bound, offset)

    def _bind(self, signature: Signature, arguments: Arguments) -> list[Evaluator]:
        return signature.bind(
            [self.compile(argument) for argument in arguments.positional],
            [(name, self.compile(argument)) for name, argument in arguments.named],
            closures.constant,
        )

    def _jq(self, arguments: Arguments, offset: int) -> Callable[[Run, Any], Any]:
        signature = Signature("jq", "filter", (("expression", LOOKUPS["kv"].parameters[0][1]),))
        try:
            (expression,) = self._bind(signature, arguments)
        except Fault as fault:
            return closures.failing_filter(str(fault), offset)

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
            return closures.placed(faulty(f"Test [{node.name}] does not exist."), offset)
        call = signature.call
        try:
            bound = self._bind(signature, node.arguments)
        except Fault as fault:
            return closures.placed(faulty(str(fault)), offset)

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
                return closures.logic(left, right, node.offset, ends_on=node.operator == "or")
            case "??":
                return closures.coalesce(left, right)
            case "???":
                return closures.coalesce_undefined(left, right)
            case _:
                pass
        operate, offset = BINARY[node.operator], node.offset
        if node.operator == "contains":
            return closures.contains(left, right, offset)

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
                return closures.attribute(self.compile(left.target), left.name, left.offset, hint)
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
            return closures.placed(faulty(str(fault)), offset)

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
            return closures.placed(faulty(str(fault)), offset)

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
                    return ""
                run.budget.spend()
                return run.checked(closures.captured(run, writer))
            except Fault as fault:
                raise run.error(fault, offset) from None

        return block
