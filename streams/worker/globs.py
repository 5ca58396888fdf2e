"""File patterns as flows write them: `*` stays in one folder, `**` crosses, `?`, `[abc]`, `{a,b}`.

A pattern may say its kind: `glob:...` or `regex:...`. Source: java.nio `FileSystem.getPathMatcher`.
"""

from __future__ import annotations

import re
from functools import lru_cache

from domain.errors import InvalidInput


@lru_cache(maxsize=256)
def file_pattern(pattern: str) -> re.Pattern[str]:
    """Return what a pattern matches, to be used with `fullmatch` on a path with `/`.

    Raises:
        InvalidInput: the pattern cannot be read.
    """
    try:
        if pattern.startswith("regex:"):
            return re.compile(pattern.removeprefix("regex:"))
        return re.compile(_translate(pattern.removeprefix("glob:")), re.DOTALL)
    except re.error as error:
        raise InvalidInput(f"The file pattern {pattern!r} cannot be read: {error}.") from error


def _translate(glob: str) -> str:
    out: list[str] = []
    at = depth = 0
    while at < len(glob):
        letter = glob[at]
        at += 1
        if letter == "*":
            if glob.startswith("*", at):
                at += 1
                out.append(".*")
            else:
                out.append("[^/]*")
        elif letter == "?":
            out.append("[^/]")
        elif letter == "[":
            end = glob.find("]", at + 1)
            if end < 0:
                raise InvalidInput(f"The file pattern {glob!r} has an open bracket.")
            body = glob[at:end].replace("\\", "\\\\")
            out.append(f"[^{body[1:]}]" if body.startswith("!") else f"[{body}]")
            at = end + 1
        elif letter == "{":
            depth += 1
            out.append("(?:")
        elif letter == "}" and depth:
            depth -= 1
            out.append(")")
        elif letter == "," and depth:
            out.append("|")
        elif letter == "\\" and at < len(glob):
            out.append(re.escape(glob[at]))
            at += 1
        else:
            out.append(re.escape(letter))
    if depth:
        raise InvalidInput(f"The file pattern {glob!r} has an open brace.")
    return "".join(out)
