"""The types that flows may use, as the plugin pages show them: lists, icons, documentation."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any, Final

from domain.flow.aliases import CONDITION_ALIASES, TASK_ALIASES, TRIGGER_ALIASES
from domain.flow.documentation import input_documentation, type_documentation
from domain.flow.input_types import INPUT_TYPES
from domain.flow.tasks import FLOWABLES
from domain.flow.triggers import CONDITIONS, TRIGGERS
from domain.map_order import in_map_order
from domain.plugin import TaskCatalogue

View = dict[str, Any]

GROUP: Final = "io.kestra.plugin.core"
_INPUTS: Final = "io.kestra.core.models.flows.input."
_NO_DOC: Final = ""
_SUBGROUPS: Final = {
    "condition": ("condition", "When a trigger may fire."),
    "debug": ("debug", _NO_DOC),
    "execution": ("execution", "Tasks about the execution itself, and about others."),
    "flow": ("flow", "Tasks that hold other tasks, and start other flows."),
    "http": ("HTTP", "Requests, downloads, and a trigger that asks a URL."),
    "kv": ("KV", "Tasks about the key-value store."),
    "log": ("log", "Tasks that write, fetch and delete log lines."),
    "metric": ("metric", "Tasks about measurements."),
    "namespace": ("namespace", "Tasks about the files of namespaces."),
    "output": ("output", "Values that a flow hands out."),
    "state": ("state", "Values that outlive an execution."),
    "storage": ("storage", "Tasks about files in internal storage."),
    "templating": ("templating", "Tasks that are written as templates."),
    "trigger": ("trigger", "What starts executions."),
    "dashboard.chart": ("Chart", "Ways to draw data."),
    "dashboard.data": ("Data", "What charts can be about."),
}
"""Title and description by the package's name."""
_CHARTS: Final = {
    "Bar": ("Compare groups by the length of bars.", _NO_DOC),
    "KPI": ("Show one number.", "A count or a mean, or the share of what a numerator finds."),
    "Markdown": ("Put words between charts.", _NO_DOC),
    "Pie": ("Show the parts of a whole.", _NO_DOC),
    "Table": ("List rows and groups.", "Without an aggregated column, one row per document."),
    "TimeSeries": ("Follow numbers over time.", "The buckets are as wide as the window asks."),
}
_DATA: Final = {
    "Executions": ("Executions, by what they are found by.", "Fields: state, duration, labels…"),
    "Flows": ("Flows as they are now.", _NO_DOC),
    "Logs": ("Log lines.", "Messages can be listed, not grouped by."),
    "Metrics": ("Measurements of tasks.", "Timers are in milliseconds."),
    "Triggers": ("Triggers as they stand.", _NO_DOC),
}
_COLOURS: Final = ("#3b5bdb", "#0b7285", "#2b8a3e", "#a61e4d", "#862e9c", "#d9480f", "#5c940d")


class Plugins:
    """Everything there is to show about the types of a catalogue."""

    def __init__(self, catalogue: TaskCatalogue) -> None:
        self._catalogue = catalogue
        flowables = {name: struct.__doc__ or "" for name, struct in FLOWABLES.items()}
        runnable = catalogue.tasks.items()
        polled = catalogue.triggers.items()
        self.tasks = self._elements(
            [(name, *_split(doc), False) for name, doc in flowables.items()]
            + [(name, spec.title, spec.description, spec.deprecated) for name, spec in runnable]
        )
        self.triggers = self._elements(
            [(name, *_split(struct.__doc__ or ""), False) for name, struct in TRIGGERS.items()]
            + [(name, spec.title, spec.description, spec.deprecated) for name, spec in polled]
        )
        self.conditions = self._elements(
            [(name, *_split(struct.__doc__ or ""), False) for name, struct in CONDITIONS.items()]
        )

    def listed(self) -> list[View]:
        """Return the groups of types: there is one, of what comes with the server."""
        return [self._group(None)]

    def subgroups(self) -> list[View]:
        """Return the group, then its parts."""
        return [self._group(None), *(self._group(name) for name in self._packages())]

    def icons(self) -> dict[str, View]:
        """Return an icon for every type."""
        return {
            element["cls"]: _icon(element["cls"], flowable=element["cls"] in FLOWABLES)
            for element in (*self.tasks, *self.triggers, *self.conditions)
        }

    def group_icons(self) -> dict[str, View]:
        """Return an icon for every package."""
        names = [GROUP, *self._packages()]
        return {name: _icon(name, flowable=False) | {"name": "plugin-icon"} for name in names}

    def documentation(self, type_: str, *, shared: bool) -> View | None:
        """Return the description and schema of a type; None when there is none such.

        Args:
            type_: its name, or an older one.
            shared: whether to show what all tasks or triggers have, too.
        """
        schema = type_documentation(self._catalogue, type_, shared=shared)
        if schema is None:
            return None
        canonical = TASK_ALIASES.get(type_) or TRIGGER_ALIASES.get(type_) or type_
        canonical = CONDITION_ALIASES.get(canonical, canonical)
        spec = self._catalogue.task(canonical) or self._catalogue.trigger(canonical)
        canonical = canonical if spec is None else spec.type
        every = (*self.tasks, *self.triggers, *self.conditions)
        element = next((item for item in every if item["cls"] == canonical), {})
        about = element.get("description", "")
        shown = schema["properties"]
        shown.setdefault("description", about)
        return {"markdown": _markdown(canonical, shown, about), "schema": schema}

    def input_documentation(self, type_: str) -> View | None:
        """Return the description and schema of an input type; None when there is none such."""
        schema = input_documentation(type_)
        if schema is None:
            return None
        return {"markdown": _markdown(type_, schema["properties"], ""), "schema": schema}

    def _group(self, package: str | None) -> View:
        def within(elements: Iterable[View]) -> list[View]:
            inside = f"{package}."
            return [item for item in elements if package is None or item["cls"].startswith(inside)]

        view: View = {"name": "core", "title": "core"}
        if package is not None:
            name = package.removeprefix(f"{GROUP}.")
            view["title"], about = _SUBGROUPS.get(name, (name, _NO_DOC))
            if about:
                view["description"] = about
        view |= {
            "group": GROUP,
            "manifest": {
                "X-Kestra-Title": "core",
                "X-Kestra-Group": GROUP,
                "Manifest-Version": "1.0",
            },
            "guides": [],
            "aliases": [*TASK_ALIASES, *TRIGGER_ALIASES, *CONDITION_ALIASES],
            "tasks": within(self.tasks),
            "triggers": within(self.triggers),
            "conditions": within(self.conditions),
            "storages": [] if package else [{"cls": "io.kestra.storage.local.LocalStorage"}],
            "secrets": [],
            "taskRunners": [],
            "apps": [],
            "appBlocks": [],
            "charts": within(_dashboard("chart", _CHARTS)),
            "dataFilters": within(_dashboard("data", _DATA)),
            "dataFiltersKPI": within(_kpis()),
            "logExporters": [],
            "additionalPlugins": [],
            "categories": ["CORE"],
        }
        return view if package is None else view | {"subGroup": package}

    def _packages(self) -> list[str]:
        every = (*self.tasks, *self.triggers, *self.conditions)
        names = {item["cls"].rpartition(".")[0] for item in every}
        names |= {f"{GROUP}.dashboard.chart", f"{GROUP}.dashboard.data"}
        return in_map_order(sorted(name for name in names if name.startswith(f"{GROUP}.")))

    def _elements(self, found: list[tuple[str, str, str, bool]]) -> list[View]:
        views = []
        for name, title, about, deprecated in sorted(found):
            view: View = {"cls": name}
            if deprecated:
                view["deprecated"] = True
            views.append(view | {"title": title, "description": about or self._properties(name)})
        return views

    def _properties(self, name: str) -> str:
        schema = type_documentation(self._catalogue, name)
        names = [] if schema is None else list(schema["properties"]["properties"])
        return (
            "Properties: " + ", ".join(f"`{item}`" for item in names) if names else "No properties."
        )


def input_types() -> list[View]:
    """Return the types of inputs."""
    return [
        {"type": name, "cls": f"{_INPUTS}{struct.__name__}"} for name, struct in INPUT_TYPES.items()
    ]


def svg(name: str) -> bytes:
    """Return the icon of a type: its first letters on the colour of its package."""
    package, _, own = name.rpartition(".")
    colour = _COLOURS[sum(package.encode()) % len(_COLOURS)]
    letters = "".join(letter for letter in own if letter.isupper())[:2] or own[:1].upper()
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="80" height="80" viewBox="0 0 80 80">'
        f'<rect width="80" height="80" rx="16" fill="{colour}"/>'
        '<text x="40" y="53" font-family="sans-serif" font-size="36" font-weight="600" '
        f'text-anchor="middle" fill="#fff">{letters}</text></svg>'
    ).encode()


def _icon(name: str, *, flowable: bool) -> View:
    return {
        "name": name.rpartition(".")[2],
        "icon": base64.b64encode(svg(name)).decode(),
        "flowable": flowable,
    }


def _split(doc: str) -> tuple[str, str]:
    title, _, rest = doc.partition("\n")
    return title.strip(), "\n".join(line.strip() for line in rest.strip().splitlines())


def _dashboard(kind: str, known: dict[str, tuple[str, str]]) -> list[View]:
    views = []
    for name, (title, about) in known.items():
        view = {"cls": f"{GROUP}.dashboard.{kind}.{name}", "title": title}
        views.append(view | {"description": about} if about else view)
    return views


def _kpis() -> list[View]:
    return [
        {
            "cls": f"{GROUP}.dashboard.data.{name}KPI",
            "title": f"One number about {name.lower()}.",
            "description": "One aggregated column, and a numerator.",
        }
        for name in _DATA
        if name != "Triggers"
    ]


def _markdown(name: str, shown: View, about: str) -> str:
    title = str(shown.get("title", ""))
    lines = [f"# {name.rpartition('.')[2]}", "", *([title, ""] if title else [])]
    lines += [about, ""] if about else []
    lines += ["```yaml", f'type: "{name}"', "```", "", "## Properties", ""]
    for key, schema in shown["properties"].items():
        need = "required" if schema.get("$required") else "optional"
        lines.append(f"- `{key}` ({need})")
    return "\n".join(lines) + "\n"
