"""Nodes of a template to writers. A writer appends texts and printed values to a list."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from domain.expression.closures import captured
from domain.expression.compiler import ExpressionCompiler
from domain.expression.errors import Fault
from domain.expression.runtime import Evaluator, MacroCall, Run, Writer
from domain.expression.syntax import (
    Block,
    Body,
    Expression,
    FilterTag,
    For,
    If,
    Macro,
    Node,
    Print,
    Raw,
    Text,
)
from domain.expression.syntax import (
    Set as SetTag,
)
from domain.expression.values import Entry, class_name, truth


def makes_names(body: Body) -> bool:
    """Tell whether a template has loops, assignments or macros anywhere."""
    for node in body:
        match node:
            case For() | SetTag() | Macro():
                return True
            case If(branches, otherwise, _):
                if makes_names(otherwise) or any(makes_names(inner) for _, inner in branches):
                    return True
            case Block(_, inner, _) | FilterTag(_, inner, _):
                if makes_names(inner):
                    return True
            case _:
                pass
    return False


class NodeCompiler:
    """Compiles the nodes of one template and collects its blocks and macros."""

    def __init__(self, body: Body) -> None:
        self._expressions = ExpressionCompiler(has_locals=makes_names(body))
        self.blocks: dict[str, Writer] = {}
        self.macros: dict[str, MacroCall] = {}

    def expression(self, node: Expression) -> Evaluator:
        """Return the closure of one expression."""
        return self._expressions.compile(node)

    def body(self, nodes: Body) -> Writer:
        """Return the writer of a run of nodes."""
        writers = [self._node(node) for node in nodes]
        if len(writers) == 1:
            return writers[0]

        def write(run: Run, out: list[Any]) -> None:
            for writer in writers:
                writer(run, out)

        return write

    def _node(self, node: Node) -> Writer:
        match node:
            case Text(text):
                return lambda _run, out: out.append(text)
            case Raw(text, tagged):
                return lambda run, out: out.append(tagged if run.keeps_raw_tags else text)
            case Print(expression, _):
                evaluate = self._expressions.compile(expression)
                return lambda run, out: out.append(evaluate(run))
            case If():
                return self._if(node)
            case For():
                return self._for(node)
            case SetTag():
                return self._set(node)
            case Macro():
                # known in the whole template, also before its place
                self.macros[node.name] = self._macro(node)
                return lambda _run, _out: None
            case Block(name, body, _):
                writer = self.body(body)
                self.blocks[name] = writer
                return writer
            case FilterTag():
                return self._filter(node)

    def _if(self, node: If) -> Writer:
        branches = [
            (self._expressions.compile(condition), self.body(body))
            for condition, body in node.branches
        ]
        otherwise = self.body(node.otherwise)
        offset = node.offset

        def write(run: Run, out: list[Any]) -> None:
            for condition, body in branches:
                value = condition(run)
                try:
                    holds = truth(value)
                except Fault:
                    fault = Fault(
                        f'Expected a Boolean in "if" statement but got {class_name(value)}'
                    )
                    raise run.error(fault, offset) from None
                if holds:
                    body(run, out)
                    return
            otherwise(run, out)

        return write

    def _for(self, node: For) -> Writer:
        items = self._expressions.compile(node.items)
        body, otherwise = self.body(node.body), self.body(node.otherwise)
        name, offset = node.name, node.offset

        def write(run: Run, out: list[Any]) -> None:
            found = items(run)
            if found is None:
                return
            if isinstance(found, Mapping):
                elements: list[Any] = [Entry(key, value) for key, value in found.items()]
            elif isinstance(found, (list, tuple, AbstractSet)):
                elements = list(found)
            else:
                kind = class_name(found)
                raise run.error(Fault(f"Not an iterable object. Its type is {kind}"), offset)
            if not elements:
                otherwise(run, out)
                return
            length = len(elements)
            made: dict[str, Any] = {}
            run.locals.append(made)
            try:
                for index, element in enumerate(elements):
                    run.budget.spend()
                    made.clear()
                    made["loop"] = {
                        "index": index,
                        "length": length,
                        "first": index == 0,
                        "last": index == length - 1,
                        "revindex": length - index - 1,
                    }
                    made[name] = element
                    body(run, out)
            except Fault as fault:
                raise run.error(fault, offset) from None
            finally:
                run.locals.pop()

        return write

    def _set(self, node: SetTag) -> Writer:
        evaluate, name = self._expressions.compile(node.value), node.name

        def write(run: Run, out: list[Any]) -> None:
            del out
            value = evaluate(run)
            for made in reversed(run.locals):
                if name in made:
                    made[name] = value
                    return
            # a name of the caller's is hidden for the rest of the template, never changed
            made = run.locals[0] if name in run.variables else run.locals[-1]
            made[name] = value

        return write

    def _macro(self, node: Macro) -> MacroCall:
        body, name = self.body(node.body), node.name
        parameters = [
            (parameter, None if default is None else self._expressions.compile(default))
            for parameter, default in node.parameters
        ]
        known = {parameter for parameter, _ in parameters}

        def call(run: Run, positional: tuple[Any, ...], named: dict[str, Any]) -> str:
            if len(positional) > len(parameters):
                raise Fault(f"The macro '{name}' takes at most {len(parameters)} arguments.")
            for key in named:
                if key not in known:
                    raise Fault(f"The following named argument does not exist: {key}")
            given = {
                parameter: default(run) if default is not None else None
                for parameter, default in parameters
            }
            given.update(zip((parameter for parameter, _ in parameters), positional, strict=False))
            given.update(named)
            outside = run.variables, run.locals
            run.variables, run.locals = {}, [given]
            try:
                return captured(run, body)
            finally:
                run.variables, run.locals = outside

        return call

    def _filter(self, node: FilterTag) -> Writer:
        body = self.body(node.body)
        filters = [
            self._expressions.filter_call(name, arguments, offset)
            for name, arguments, offset in node.filters
        ]
        offset = node.offset

        def write(run: Run, out: list[Any]) -> None:
            try:
                value: Any = captured(run, body)
            except Fault as fault:
                raise run.error(fault, offset) from None
            for apply in filters:
                value = apply(run, value)
            out.append(value)

        return write
