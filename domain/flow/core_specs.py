"""The task and trigger types that come with Tidewheel: names, properties, outputs.

Flowables are not here: their properties are the Structs of `domain.flow.tasks`. What runs these
types is in `infra/plugins`; every runnable type of this list has an implementation there.
"""

from __future__ import annotations

from typing import Final

from domain.flow.data_specs import STORAGE, STORES, WEB, WEB_TRIGGERS
from domain.flow.spec_words import (
    CORE,
    DURATION,
    FLAG,
    INSTANT,
    LEVEL,
    LIST,
    MAP,
    NUMBER,
    STATES,
    TEXT,
    TEXT_OR_TEXTS,
    TEXTS,
    URI,
    WHOLE,
    optional,
    required,
    task,
)
from domain.plugin import TaskCatalogue

_SAY: Final = (
    task(
        "log.Log",
        "Write lines to the execution's log.",
        {
            "message": required(
                TEXT_OR_TEXTS, title="What to write.", description="A text, or a list of texts."
            ),
            "level": optional(LEVEL, "INFO", title="How severe the lines are."),
        },
        None,
        "log.Log",
        examples=(
            (
                "id: greets\nnamespace: company.team\n\ntasks:\n  - id: hello\n"
                "    type: io.kestra.plugin.core.log.Log\n    message: Hello from {{ flow.id }}\n"
            ),
            (
                "id: lines\ntype: io.kestra.plugin.core.log.Log\nlevel: WARN\n"
                "message: [first line, second line]\n"
            ),
        ),
    ),
    task(
        "log.Fetch",
        "Write log lines of an execution to a file.",
        {
            "executionId": optional(TEXT),
            "level": optional(LEVEL, "INFO"),
            "tasksId": optional({"anyOf": [TEXTS, TEXT]}),
        },
        {"size": WHOLE, "uri": URI},
        "log.Fetch",
    ),
    task(
        "log.PurgeLogs",
        "Delete log lines.",
        {
            "namespace": optional(TEXT),
            "flowId": optional(TEXT),
            "executionId": optional(TEXT),
            "logLevels": optional(TEXTS),
            "startDate": optional(INSTANT),
            "endDate": required(INSTANT),
            "purgeExecutionLogs": optional(FLAG, default=True),
            "purgeNonExecutionLogs": optional(FLAG, default=True),
            "batchSize": optional(WHOLE),
        },
        {"count": WHOLE},
    ),
    task(
        "debug.Return",
        "Render a text and hand it out.",
        {"format": optional(TEXT, title="The text, usually a template.")},
        {"value": TEXT},
        "debugs.Return",
        output_titles={"value": "The rendered text."},
        metrics={"length": "counter", "duration": "timer"},
        examples=(
            (
                "id: hands_out\nnamespace: company.team\n\ntasks:\n  - id: value\n"
                "    type: io.kestra.plugin.core.debug.Return\n"
                '    format: "{{ execution.startDate }}"\n'
            ),
            (
                "id: value\ntype: io.kestra.plugin.core.debug.Return\n"
                'format: "{{ inputs.name | upper }}"\n'
            ),
        ),
    ),
    task(
        "debug.Echo",
        "Write a line to the log (use log.Log).",
        {"format": optional(TEXT), "level": optional(LEVEL, "INFO")},
        None,
        "debugs.Echo",
        deprecated=True,
    ),
    task(
        "output.OutputValues",
        "Hand out values.",
        {"values": required(MAP)},
        {"values": MAP},
        "outputs.OutputValues",
    ),
    task(
        "metric.Publish",
        "Record metrics.",
        {"metrics": required({"anyOf": [LIST, TEXT]})},
    ),
    task(
        "metric.PurgeMetrics",
        "Delete metrics.",
        {
            "namespace": optional(TEXT),
            "flowId": optional(TEXT),
            "startDate": optional(INSTANT),
            "endDate": required(INSTANT),
            "batchSize": optional(WHOLE),
        },
        {"count": WHOLE},
    ),
)

_EXECUTION: Final = (
    task(
        "execution.Fail",
        "Fail, always or when a condition holds.",
        {
            "condition": optional({"anyOf": [TEXT, FLAG]}),
            "errorMessage": optional(TEXT, "Task failure"),
        },
        None,
        "executions.Fail",
        runnable=False,
    ),
    task(
        "execution.Exit",
        "End the execution in a state.",
        {
            "state": optional(
                {
                    "type": "string",
                    "enum": ["SUCCESS", "WARNING", "KILLED", "FAILED", "CANCELED", "CANCELLED"],
                },
                "SUCCESS",
            )
        },
        runnable=False,
    ),
    task(
        "execution.Assert",
        "Fail unless every condition holds.",
        {"conditions": required({"anyOf": [TEXTS, TEXT]}), "errorMessage": optional(TEXT)},
        {"failed": WHOLE, "success": WHOLE},
        runnable=False,
    ),
    task(
        "execution.Labels",
        "Add or change labels of the execution.",
        {"labels": required({"anyOf": [MAP, LIST, TEXT]})},
        None,
        "executions.Labels",
        runnable=False,
    ),
    task(
        "execution.SetVariables",
        "Set execution variables.",
        {"variables": required(MAP), "overwrite": optional(FLAG, default=True)},
        runnable=False,
    ),
    task(
        "execution.UnsetVariables",
        "Remove execution variables.",
        {"variables": required(TEXTS), "ignoreMissing": optional(FLAG, default=False)},
        runnable=False,
    ),
    task(
        "execution.Count",
        "Count executions per flow.",
        {
            "flows": optional(LIST),
            "namespaces": optional(TEXTS),
            "states": optional(STATES),
            "startDate": optional(INSTANT),
            "endDate": optional(INSTANT),
            "expression": required(TEXT),
        },
        {"results": LIST, "total": WHOLE},
        "executions.Counts",
        CORE + "execution.Counts",
    ),
    task(
        "execution.Resume",
        "Resume a paused execution.",
        {
            "namespace": optional(TEXT),
            "flowId": optional(TEXT),
            "executionId": required(TEXT),
            "inputs": optional(MAP),
        },
        None,
        "executions.Resume",
    ),
    task(
        "execution.PurgeExecutions",
        "Delete executions with all they hold.",
        {
            "namespace": optional(TEXT),
            "flowId": optional(TEXT),
            "startDate": optional(INSTANT),
            "endDate": required(INSTANT),
            "states": optional(STATES),
            "purgeExecution": optional(FLAG, default=True),
            "purgeLog": optional(FLAG, default=True),
            "purgeMetric": optional(FLAG, default=True),
            "purgeStorage": optional(FLAG, default=True),
            "batchSize": optional(WHOLE, 100),
        },
        {
            "executionsCount": WHOLE,
            "logsCount": WHOLE,
            "metricsCount": WHOLE,
            "storagesCount": WHOLE,
            "taskOutputsCount": WHOLE,
        },
        "storages.Purge",
        CORE + "storage.Purge",
    ),
    task(
        "flow.Sleep",
        "Wait.",
        {"duration": required({"anyOf": [DURATION, NUMBER]})},
        None,
        "flows.Sleep",
    ),
    task(
        "templating.TemplatedTask",
        "Render the YAML of a task and run it.",
        {"spec": required(TEXT)},
        None,
        "templating.TemplatedTask",
    ),
    task(
        "trigger.Toggle",
        "Enable or disable a trigger.",
        {
            "namespace": optional(TEXT),
            "flowId": optional(TEXT),
            "trigger": required(TEXT),
            "enabled": optional(FLAG, default=False),
        },
        None,
        "trigger.Toggle",
    ),
)

CORE_CATALOGUE: Final = TaskCatalogue((*_SAY, *_EXECUTION, *STORES, *STORAGE, *WEB), WEB_TRIGGERS)
"""All types that come with Tidewheel; add to it with `with_types`."""
