"""What is gathered while a source is read: mistakes, notices, and where everything stands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from domain.flow.violations import (
    FlowViolation,
    field_path,
    json_path,
    known_properties,
    reference,
    subject,
)
from domain.plugin import TaskCatalogue, nearest
from domain.yaml.document import Document, Segment

Path = tuple[Segment, ...]
"""Keys and indices from the top of the document."""

FLOW_CLASS: Final = "io.kestra.core.models.flows.FlowWithSource"


MOST_VIOLATIONS: Final = 500
"""More are not reported: whoever sees so many must start elsewhere."""
_MOST_GUESSES: Final = 50
_REMOVALS: Final = {"DagTask": "Put the task under `task`, beside `dependsOn`."}
"""Class to what to do with a property that it does not have, where that is not to remove it."""


class _Invalid:
    """The type of INVALID."""

    def __repr__(self) -> str:
        return "INVALID"


INVALID: Final = _Invalid()
"""Stands for a value that could not be read; the mistake is in the Reading."""


class Reading:
    """One pass over one document."""

    def __init__(
        self, document: Document, catalogue: TaskCatalogue, *, allow_unknown_types: bool
    ) -> None:
        self.document = document
        self.catalogue = catalogue
        self.allow_unknown_types = allow_unknown_types
        self.violations: list[FlowViolation] = []
        self.deprecations: list[str] = []
        """Paths as the API shows them, in order."""
        self.infos: list[str] = []
        self.warnings: list[str] = []
        self._seen: set[tuple[str, str]] = set()
        self._deprecated: set[str] = set()

    def rule(
        self,
        path: Path,
        message: str,
        remedy: str = "",
        value: object = None,
        *,
        at: Path | None = None,
    ) -> None:
        """Report a broken rule about what is at a path; `at` is a more exact place to point at."""
        self._add(
            path,
            message,
            FlowViolation(
                message=message,
                remedy=remedy,
                value=value,
                field_path=field_path(path),
                subject=subject(path, self.document.value),
            ),
            at,
        )

    def shape(
        self,
        path: Path,
        message: str,
        remedy: str = "",
        detail: str = "",
        *,
        at: Path | None = None,
        root_class: str = FLOW_CLASS,
    ) -> None:
        """Report something that could not be read.

        Args:
            path: what it is about.
            message: what is wrong.
            remedy: how to mend it.
            detail: the longer message, if the API shows two.
            at: the place to point at when that is more exact than `path`.
            root_class: what the reference starts with; `detail` gets the reference appended.
        """
        chain = reference(path, self.document.value, root_class)
        self._add(
            path,
            message,
            FlowViolation(
                message=message,
                remedy=remedy,
                kind="shape",
                field_path=field_path(path),
                subject=subject(path, self.document.value),
                reference=chain,
                detail=f"{detail} (through reference chain: {chain})" if detail else "",
            ),
            at,
        )

    def unknown(self, path: Path, class_name: str, known: Sequence[str]) -> None:
        """Report a property that nobody knows."""
        name = str(path[-1])
        meant = self.nearest(name, known)
        self.shape(
            path,
            f'Unrecognized field "{name}" (class {class_name}), not marked as ignorable '
            f"({len(known)} known properties: {known_properties(known)})",
            f"Did you mean `{meant}`?" if meant else _REMOVALS.get(class_name, f"Remove `{name}`."),
        )

    def nearest(self, name: str, known: Iterable[str]) -> str | None:
        """Return what someone may have meant; None also once there are too many mistakes."""
        return nearest(name, known) if len(self.violations) < _MOST_GUESSES else None

    def deprecate(self, path: Path, info: str = "") -> None:
        """Note that what stands at a path is out of date."""
        text = field_path(path)
        if text not in self._deprecated:
            self._deprecated.add(text)
            self.deprecations.append(text)
        if info and info not in self.infos and " is replaced by " in info:
            self.infos.append(info)

    def is_reported(self, path: Path) -> bool:
        """Tell whether something at a path, or inside what is there, is reported already."""
        where = json_path(path)
        return any(
            violation.path == where or violation.path.startswith((where + "[", where + "."))
            for violation in self.violations
        )

    def warn(self, text: str) -> None:
        """Note something that is allowed and probably not meant."""
        if len(self.warnings) < MOST_VIOLATIONS and text not in self.warnings:
            self.warnings.append(text)

    def _add(
        self, path: Path, message: str, violation: FlowViolation, at: Path | None = None
    ) -> None:
        where = json_path(path)
        if (where, message) in self._seen or len(self.violations) >= MOST_VIOLATIONS:
            return
        self._seen.add((where, message))
        spot = self.document.spot.at(at if at is not None else path)
        line, column = spot.line, spot.column
        is_key = violation.kind == "shape" and message.startswith("Unrecognized field")
        if is_key and spot.key_line:
            line, column = spot.key_line, spot.key_column
        self.violations.append(
            FlowViolation(
                message=message,
                path=where,
                line=line,
                column=column,
                remedy=violation.remedy,
                value=violation.value,
                kind=violation.kind,
                field_path=violation.field_path,
                subject=violation.subject,
                reference=violation.reference,
                detail=violation.detail,
            )
        )


def is_template(text: str) -> bool:
    """Tell whether a text holds an expression or a tag."""
    return "{{" in text or "{%" in text
