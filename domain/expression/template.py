"""Templates: compiled once, rendered many times.

A text without `{` is returned as it is. One rendering is one round; `render` (the function)
repeats rounds until the text stops changing. Source: Kestra's rendering layer around Pebble,
`ecosystem.md` 6.3.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from domain.expression.closures import joined
from domain.expression.errors import Fault, LimitExceeded, LimitFault, TemplateSyntaxError
from domain.expression.lexer import strip_raw
from domain.expression.nodes import NodeCompiler
from domain.expression.registry import REQUIRED, function
from domain.expression.runtime import Run
from domain.expression.scope import Scope
from domain.expression.syntax import Print, Text
from domain.expression.tags import parse_template
from domain.expression.text import java_text, to_text

CACHED_TEMPLATES: Final = 1_024
_LONGEST_CACHED: Final = 64 * 1024
LONGEST_TEMPLATE: Final = 4 * 1024 * 1024
"""Characters of the longest text that is read as a template."""
_ROUNDS: Final = 100
_RENDER_STEPS: Final = 20


class Template:
    """A compiled template.

    Attributes:
        source: its text.
        is_static: whether it has no expression or tag at all, so that it renders to itself.
    """

    __slots__ = ("_blocks", "_evaluate", "_macros", "_write", "is_static", "source")

    def __init__(self, source: str, *, raw: bool = True) -> None:
        """Compile a text.

        Args:
            source: the template.
            raw: whether `{% raw %}` protects text, as in Kestra's layer around Pebble.

        Raises:
            TemplateSyntaxError: the text is no template.
        """
        if len(source) > LONGEST_TEMPLATE:
            raise TemplateSyntaxError("The template is too long.", source, 1, 1)
        self.source = source
        try:
            body = parse_template(source, raw=raw) if "{" in source else (Text(source),)
            compiler = NodeCompiler(body)
            self._write = compiler.body(body)
        except RecursionError:
            raise TemplateSyntaxError("The template is nested too deeply.", source, 1, 1) from None
        self._blocks, self._macros = compiler.blocks, compiler.macros
        self._evaluate = None
        if len(body) == 1 and isinstance(body[0], Print):
            self._evaluate = compiler.expression(body[0].expression)
        self.is_static = all(isinstance(node, Text) for node in body) and (
            "".join(node.text for node in body if isinstance(node, Text)) == source
        )

    def render(self, scope: Scope) -> str:
        """Return the template's text in a scope.

        Raises:
            ExpressionError: it cannot be evaluated; every other exception comes from the scope's
                lookups or variables.
        """
        if self.is_static:
            return self.source
        run = Run(self.source, scope)
        return strip_raw(self._text(run))

    def render_typed(self, scope: Scope) -> Any:
        """Return the value of the only printed expression; the text if there is more.

        Raises:
            ExpressionError: it cannot be evaluated.
        """
        if self.is_static:
            return self.source
        run = Run(self.source, scope)
        pieces = [piece for piece in self._pieces(run) if piece is not None]
        if not pieces:
            return None
        value = pieces[0] if len(pieces) == 1 else self._joined(run, pieces)
        return strip_raw(value) if isinstance(value, str) else value

    def render_inside(self, parent: Run, *, keeps_raw_tags: bool) -> str:
        """Return the template's text as part of another rendering, on its budget.

        Raises:
            ExpressionError: it cannot be evaluated.
            LimitFault: nested too deeply.
        """
        if self.is_static:
            return self.source
        run = Run(self.source, parent.scope, parent)
        run.budget.spend(_RENDER_STEPS)
        run.keeps_raw_tags = keeps_raw_tags
        return self._text(run)

    def _text(self, run: Run) -> str:
        if self._evaluate is not None:
            try:
                value = self._evaluate(run)
                return value if type(value) is str else self._joined(run, [value])
            except RecursionError:
                raise self._too_deep() from None
        return self._joined(run, self._pieces(run))

    def _pieces(self, run: Run) -> list[Any]:
        run.blocks, run.macros = self._blocks, self._macros
        out: list[Any] = []
        try:
            self._write(run, out)
        except RecursionError:
            raise self._too_deep() from None
        return out

    def _joined(self, run: Run, pieces: list[Any]) -> str:
        show = to_text if run.prints_json else java_text
        longest = run.scope.limits.output_characters
        try:
            return joined(run, [show(piece, longest) for piece in pieces])
        except Fault as fault:
            raise run.error(fault, 0) from None
        except RecursionError:
            raise self._too_deep() from None

    def _too_deep(self) -> LimitExceeded:
        return LimitExceeded("The expression is nested too deeply.", self.source, 1, 1)


_compile_cached = lru_cache(maxsize=CACHED_TEMPLATES)(Template)


def compile_template(text: str) -> Template:
    """Return the compiled template of a text, from a bounded cache where it can.

    Raises:
        TemplateSyntaxError: the text is no template.
    """
    return _compile_cached(text) if len(text) <= _LONGEST_CACHED else Template(text)


def render_deep(value: Any, scope: Scope) -> Any:
    """Render every text inside a value, keys too; of keys that become equal the first wins.

    Args:
        value: any nesting of maps and lists; other types pass through unchanged.
        scope: what the texts see.

    Raises:
        ExpressionError: a text cannot be rendered, or the value is nested too deeply.
    """
    if isinstance(value, str):
        return compile_template(value).render(scope) if "{" in value else value
    if isinstance(value, Mapping):
        rendered: dict[Any, Any] = {}
        for key, item in value.items():
            name = render_deep(key, scope)
            if name not in rendered:
                rendered[name] = render_deep(item, scope)
        return rendered
    if isinstance(value, (list, tuple)):
        return [render_deep(item, scope) for item in value]
    if isinstance(value, (set, frozenset)):
        return {render_deep(item, scope) for item in value}
    return value


@function("render", toRender=REQUIRED, recursive=True)
def render(run: Run, value: Any, recursive: Any) -> Any:
    """Render the texts in a value, by default until nothing changes."""
    if not isinstance(recursive, bool):
        raise Fault(
            "The 'render' function expects an optional argument 'recursive' with type boolean."
        )
    return _rendered(run, value, recursive=recursive)


@function("renderOnce", toRender=REQUIRED)
def render_once(run: Run, value: Any) -> Any:
    """Render the texts in a value once."""
    return _rendered(run, value, recursive=False)


def _rendered(run: Run, value: Any, *, recursive: bool) -> Any:
    """Return a value with the texts in it rendered, on the budget of the rendering that asks."""
    if isinstance(value, str):
        return _rendered_text(run, value, recursive=recursive)
    if isinstance(value, Mapping):
        rendered: dict[Any, Any] = {}
        for key, item in value.items():
            name = _rendered(run, key, recursive=recursive)
            if name not in rendered:
                rendered[name] = _rendered(run, item, recursive=recursive)
        return rendered
    if isinstance(value, (list, tuple)):
        run.budget.spend(len(value))
        return [_rendered(run, item, recursive=recursive) for item in value]
    return value


def _rendered_text(run: Run, text: str, *, recursive: bool) -> str:
    if "{" not in text:
        return text
    for _ in range(_ROUNDS if recursive else 1):
        before = text
        text = compile_template(text).render_inside(run, keeps_raw_tags=True)
        if text == before or "{" not in text:
            return strip_raw(text)
    if recursive:
        raise LimitFault("Too many rendering attempts")
    return strip_raw(text)
