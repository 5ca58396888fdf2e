"""Ids: derived from what they stand for, so that the same command gives the same ids anywhere."""

from __future__ import annotations

import uuid

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_NAMESPACE = uuid.UUID("6f3a1c52-5a4e-5c7b-9f0e-7d1f8a2b4c6d")
DEFAULT_TENANT = "main"


def friendly(value: uuid.UUID) -> str:
    """Return a UUID in base 62, up to 22 letters, as clients of the API know execution ids."""
    number = value.int
    letters: list[str] = []
    while number:
        number, digit = divmod(number, 62)
        letters.append(_ALPHABET[digit])
    return "".join(reversed(letters)) or "0"


def derived(*parts: object) -> str:
    """Return the id that stands for these parts in this order; equal parts give equal ids."""
    return friendly(uuid.uuid5(_NAMESPACE, "\x1f".join(map(str, parts))))


def task_run_id(execution_id: str, task_id: str, parent_id: str, value: str, iteration: int) -> str:
    """Return the id of a task run."""
    return derived("taskrun", execution_id, task_id, parent_id, value, iteration)


def attempt_id(task_run_id: str, attempt: int) -> str:
    """Return the id of an attempt; attempts count from 1."""
    return f"{task_run_id}.{attempt}"


def scheduled_execution_id(tenant: str, namespace: str, flow: str, trigger: str, date: str) -> str:
    """Return the id of the execution that a trigger starts for a date."""
    return derived("trigger", tenant, namespace, flow, trigger, date)


def flow_key(tenant: str, namespace: str, flow: str) -> str:
    """Return the key of a flow over all its revisions."""
    return f"{tenant}/{namespace}/{flow}"
