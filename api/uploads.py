"""A form's parts as raw values of declared inputs; files among them go to internal storage."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from api.context import Context
from api.forms import ATTACHMENTS, Form, Upload
from domain.flow.input_types import FileInput, FormInput, Input
from domain.flow.model import Flow
from domain.storage import input_uri


class GivenInputs:
    """What a form gives for inputs, before it is judged."""

    def __init__(
        self, own: Context, flow: Flow, execution_id: str, inputs: Iterable[Input], form: Form
    ) -> None:
        self._own = own
        self._files: list[tuple[str, Upload]] = []
        self.raw: dict[str, Any] = dict(form.fields)
        """By name of the input; of a file the address that `keep` puts it at."""
        declared = _file_names(inputs)
        for name in sorted(declared):
            upload = form.uploads.get(name) or form.attachments.get(name)
            if upload is not None:
                uri = input_uri(flow.namespace, flow.id, execution_id, name, upload.filename)
                self._files.append((uri, upload))
                self.raw[name] = uri
        for name, upload in form.uploads.items():
            if name not in declared and name != ATTACHMENTS:
                data = upload.data.read(own.options.limits.field_bytes)
                self.raw[name] = data.decode(errors="replace")

    async def keep(self) -> None:
        """Put the files into internal storage."""
        for uri, upload in self._files:
            await asyncio.to_thread(self._own.ports.blobs.put, uri, upload.data)


def _file_names(inputs: Iterable[Input], prefix: str = "") -> set[str]:
    names: set[str] = set()
    for declared in inputs:
        if isinstance(declared, FormInput):
            names |= _file_names(declared.inputs, f"{prefix}{declared.id}.")
        elif isinstance(declared, FileInput):
            names.add(prefix + declared.id)
    return names
