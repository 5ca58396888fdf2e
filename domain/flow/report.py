"""What was found in some flow files, for people and for machines: text, JSON, SARIF, GitHub."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal
from urllib.parse import quote

import msgspec

from domain.flow.reader import FlowReading

Format = Literal["text", "json", "sarif", "github"]
Level = Literal["error", "warning", "note"]

_SARIF: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_RULES: Final = {
    "source": "The text is not YAML that can be read.",
    "shape": "Unknown types or properties, or values of the wrong form.",
    "rule": "A rule of the flow language is broken.",
    "warning": "Allowed, but probably not meant.",
    "deprecated": "Still understood, but out of date.",
}


class Finding(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One thing to tell about a file."""

    file: str
    level: Level
    rule: str
    """A key of the rules: what kind of thing it is."""
    message: str
    path: str = ""
    """JSON path in its document."""
    line: int = 1
    """In the file, from 1."""
    column: int = 1
    remedy: str = ""


class FileReport(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One flow of one file."""

    file: str
    namespace: str | None = None
    flow: str | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def is_valid(self) -> bool:
        """Whether there is no error."""
        return all(finding.level != "error" for finding in self.findings)


def report_of(file: str, reading: FlowReading, first_line: int = 1) -> FileReport:
    """Return what is to tell about a reading.

    Args:
        file: name of the file.
        reading: of one document in it.
        first_line: where the document starts in the file, from 1.
    """
    shift = first_line - 1
    findings = [
        Finding(
            file=file,
            level="error",
            rule=violation.kind,
            message=violation.message,
            path=violation.path,
            line=max(violation.line, 1) + shift,
            column=max(violation.column, 1),
            remedy=violation.remedy,
        )
        for violation in reading.violations
    ]
    findings += [
        Finding(file=file, level="warning", rule="warning", message=text, line=first_line)
        for text in reading.warnings
    ]
    findings += [
        Finding(
            file=file,
            level="warning",
            rule="warning",
            message=hint.message,
            path=f"$.{hint.path}" if hint.path else "$",
            line=hint.line + shift,
            column=hint.column,
        )
        for hint in reading.hints
    ]
    findings += [
        Finding(file=file, level="note", rule="deprecated", message=text, line=first_line)
        for text in (*(f"{path} is out of date" for path in reading.deprecations), *reading.infos)
    ]
    return FileReport(
        file=file, namespace=reading.namespace, flow=reading.id, findings=tuple(findings)
    )


def written(reports: Sequence[FileReport], form: Format) -> str:
    """Return reports as one text in a form; it ends without a line break."""
    if form == "json":
        shown = [{**msgspec.to_builtins(report), "valid": report.is_valid} for report in reports]
        return json.dumps(shown, indent=2, ensure_ascii=False)
    if form == "sarif":
        return json.dumps(_sarif(reports), indent=2, ensure_ascii=False)
    findings = [finding for report in reports for finding in report.findings]
    if form == "github":
        return "\n".join(_github(finding) for finding in findings)
    return "\n".join([*_text(reports), *_summary(reports)])


def _text(reports: Iterable[FileReport]) -> list[str]:
    lines = []
    for report in reports:
        name = (
            f"{report.namespace}.{report.flow}" if report.flow and report.namespace else report.file
        )
        lines.append(f"{report.file}: {name} is {'valid' if report.is_valid else 'invalid'}")
        for finding in report.findings:
            place = f"{finding.file}:{finding.line}:{finding.column}"
            about = f" {finding.path}:" if finding.path else ""
            lines.append(f"  {place}: {finding.level}:{about} {finding.message.rstrip()}")
            if finding.remedy:
                lines.append(f"    {finding.remedy}")
    return lines


def _summary(reports: Sequence[FileReport]) -> list[str]:
    """Return a last line with the numbers, where there is more than one flow."""
    if len(reports) < 2:
        return []
    invalid = sum(not report.is_valid for report in reports)
    warnings = sum(finding.level == "warning" for report in reports for finding in report.findings)
    return [f"{len(reports)} flows: {invalid} invalid, {warnings} warnings"]


def _github(finding: Finding) -> str:
    command = {"error": "error", "warning": "warning", "note": "notice"}[finding.level]
    place = f"file={_property(finding.file)},line={finding.line},col={finding.column}"
    text = f"{finding.message} {finding.remedy}".strip()
    return f"::{command} {place},title={_property(finding.path or finding.rule)}::{_data(text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _sarif(reports: Sequence[FileReport]) -> dict[str, Any]:
    results = [
        {
            "ruleId": finding.rule,
            "level": finding.level,
            "message": {"text": f"{finding.message} {finding.remedy}".strip()},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": quote(finding.file)},
                        "region": {"startLine": finding.line, "startColumn": finding.column},
                    },
                    "logicalLocations": [{"fullyQualifiedName": finding.path}],
                }
            ],
        }
        for report in reports
        for finding in report.findings
    ]
    rules = [{"id": name, "shortDescription": {"text": text}} for name, text in _RULES.items()]
    driver = {"name": "tidewheel", "rules": rules}
    return {
        "$schema": _SARIF,
        "version": "2.1.0",
        "runs": [
            {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
        ],
    }
