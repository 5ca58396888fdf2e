"""The shared data that lies beside the repository, and the flows of its conformance cases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from domain.yaml.reader import read_yaml

SHARED = Path(__file__).parents[3] / ".." / "shared"
_CONFORMANCE = SHARED / "conformance"
_FOLDERS = ("flows/valids", "flows/invalids", "flows-13/valids", "flows-13/invalids")


def flow_files(folder: str) -> list[Path]:
    """Return the flow files of one folder, such as `flows/valids`."""
    return sorted(path for path in (_CONFORMANCE / folder).iterdir() if path.is_file())


def cases() -> Iterator[dict[str, Any]]:
    """Yield every conformance case."""
    for name in ("cases.yaml", "cases-1.3.yaml"):
        content = read_yaml((_CONFORMANCE / name).read_text()).value
        yield from content["cases"] if isinstance(content, dict) else content


def sources(case: dict[str, Any]) -> list[str]:
    """Return the texts of a case's flows, its changes made and its placeholders filled."""
    found = []
    for entry in case.get("flows") or []:
        text: str = entry["inline"] if _is_inline(entry) else _text(entry)
        found.append(text.replace("${uid}", "u1").replace("${echo}", "http://127.0.0.1:1"))
    return found


def _is_inline(entry: Any) -> bool:
    return isinstance(entry, dict) and "inline" in entry


def _text(entry: Any) -> str:
    name: str = entry["file"] if isinstance(entry, dict) else entry
    changes = entry.get("replace", []) if isinstance(entry, dict) else []
    wanted = name.removeprefix("13/")
    root = "flows-13" if name.startswith("13/") else "flows"
    folders = [_CONFORMANCE / folder for folder in _FOLDERS if folder.startswith(f"{root}/")]
    candidates = [_CONFORMANCE / root / wanted, *(folder / wanted for folder in folders)]
    text: str = next(path for path in candidates if path.exists()).read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text
