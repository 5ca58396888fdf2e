"""Changes to the source of a flow that a client asks for by parts."""

from __future__ import annotations

from typing import Any

import yaml

from api.errors import illegal_argument, not_found
from domain.yaml.reader import read_yaml

_NO_TASKS = frozenset({"triggers", "inputs", "outputs", "variables"})


def with_task(source: str, task_id: str, task: dict[str, Any]) -> str:
    """Return a flow's source, written anew, with one task replaced at whatever depth it stands.

    Raises:
        ApiError: 404 no such task, 422 the new task has another id.
    """
    if task.get("id") != task_id:
        raise illegal_argument("The id of a task cannot be changed")
    content = read_yaml(source).value
    if not _replace(content, task_id, task):
        raise not_found()
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1_000)
    return text


def _replace(value: Any, task_id: str, task: dict[str, Any]) -> bool:
    if isinstance(value, dict):
        members = (member for key, member in value.items() if key not in _NO_TASKS)
        return any(_replace(member, task_id, task) for member in members)
    if not isinstance(value, list):
        return False
    for index, item in enumerate(value):
        if isinstance(item, dict) and item.get("id") == task_id and "type" in item:
            value[index] = task
            return True
        if _replace(item, task_id, task):
            return True
    return False
