"""Secrets from the environment: `SECRET_<KEY>` holds the value in base64, for all namespaces."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

from domain.errors import InvalidInput, NotFound

PREFIX = "SECRET_"


class EnvironmentSecrets:
    """Secrets port over environment variables, read once.

    Args:
        environment: the process's variables.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._values = {
            name.removeprefix(PREFIX).upper(): value
            for name, value in environment.items()
            if name.startswith(PREFIX)
        }

    def secret(self, tenant: str, namespace: str, key: str) -> str:
        """The secret's value.

        Raises:
            NotFound: there is no such variable.
            InvalidInput: it does not hold base64 of a UTF-8 text.
        """
        del tenant
        sealed = self._values.get(key.upper())
        if sealed is None:
            raise NotFound(f"Cannot find secret for key '{key}' in namespace '{namespace}'.")
        try:
            return base64.b64decode("".join(sealed.split()), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise InvalidInput(f"The variable {PREFIX}{key} does not hold base64.") from error

    def keys(self) -> list[str]:
        """The names of all secrets, in order."""
        return sorted(self._values)
