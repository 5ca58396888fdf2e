"""`templating.TemplatedTask`: a task whose whole text is a template."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from domain.flow.core_specs import CORE_CATALOGUE
from domain.yaml.reader import read_yaml
from streams.worker.binding import bind
from streams.worker.context import RunContext
from streams.worker.errors import TaskFailed
from streams.worker.plugin import Plugins, TaskPlugin

NAME: Final = "io.kestra.plugin.core.templating.TemplatedTask"


class TemplatedProperties(msgspec.Struct):
    """Properties of `templating.TemplatedTask`."""

    spec: str
    """YAML of one runnable task; its `id` may be left out."""


def templated_task(plugins: Plugins) -> TaskPlugin:
    """Return the task type, which runs tasks of the given types."""

    def run(context: RunContext, properties: TemplatedProperties) -> Any:
        """Read the text as a task and run it; its outputs are ours."""
        task = read_yaml(properties.spec).value
        if not isinstance(task, dict) or not isinstance(task.get("type"), str):
            raise TaskFailed("The templated task has no `type`.")
        spec = CORE_CATALOGUE.task(task["type"])
        name = spec.type if spec is not None else task["type"]
        if name == NAME:
            raise TaskFailed("The templated task cannot be of a type 'TemplatedTask'")
        plugin = plugins.get(name)
        if plugin is None:
            raise TaskFailed(f"The templated task of type {name} cannot be run by a worker.")
        renamed = spec.property_aliases if spec is not None else {}
        own = {renamed.get(key, key): value for key, value in task.items()}
        return plugin.run(context, bind(plugin, own, context))

    return TaskPlugin(name=NAME, properties=TemplatedProperties, run=run)
