"""Functions and filters that ask the world, with their parameters; a `Lookups` answers them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from domain.expression.registry import REQUIRED, Signature

IMPURE_FUNCTIONS: Final[Mapping[str, Mapping[str, Any]]] = {
    "secret": {"key": REQUIRED, "namespace": None, "subkey": None, "full": False},
    "credential": {"name": REQUIRED},
    "kv": {"key": REQUIRED, "namespace": None, "errorOnMissing": True},
    "read": {"path": REQUIRED, "namespace": None, "version": None},
    "fileURI": {"path": REQUIRED, "namespace": None, "version": None},
    "fileSize": {"uri": REQUIRED, "namespace": None},
    "fileExists": {"uri": REQUIRED, "namespace": None},
    "isFileEmpty": {"uri": REQUIRED, "namespace": None},
    "fileEmpty": {"uri": REQUIRED, "namespace": None},
    "now": {"format": "iso", "timeZone": None, "existingFormat": None, "locale": None},
    "uuid": {},
    "id": {},
    "ksuid": {},
    "nanoId": {"length": 21, "alphabet": None},
    "randomInt": {"lower": REQUIRED, "upper": REQUIRED},
    "randomPort": {},
    "http": {
        "uri": REQUIRED,
        "method": "GET",
        "query": None,
        "body": None,
        "contentType": "application/json",
        "headers": None,
        "options": None,
        "accept": "application/json",
    },
    "errorLogs": {},
    "subflow": {
        "namespace": REQUIRED,
        "id": REQUIRED,
        "inputs": None,
        "revision": None,
        "labels": None,
        "timeout": None,
    },
    "encrypt": {"key": REQUIRED, "plaintext": REQUIRED},
    "decrypt": {"key": REQUIRED, "encrypted": REQUIRED},
    "env": {"name": REQUIRED, "default": None},
    "isPublicHoliday": {"date": REQUIRED, "country": REQUIRED, "subDivision": None},
    "appLink": {"appId": None, "baseUrl": None},
    "assets": {"namespace": None, "type": None, "metadata": None},
    "jq": {"input": REQUIRED, "expression": REQUIRED},
}
"""Name -> parameters in order with their defaults. `jq` is the filter, `input` its value; it is a
lookup because a program can run for ever and needs a process that can be killed."""

# answers on the log are found by the names of arguments: new names are added, never put in place
_ALIASES: Final[Mapping[str, Mapping[str, str]]] = {"isPublicHoliday": {"countryCode": "country"}}

LOOKUPS: Final[Mapping[str, Signature]] = {
    name: Signature(name, "function", tuple(parameters.items()), aliases=_ALIASES.get(name, {}))
    for name, parameters in IMPURE_FUNCTIONS.items()
    if name != "jq"
}
"""The same as signatures of functions."""
