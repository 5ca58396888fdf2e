"""The task and trigger types that come with Tidewheel: names, properties, outputs.

Flowables are not here: their properties are the Structs of `domain.flow.tasks`. What runs these
types is in `infra/plugins`; every runnable type of this list has an implementation there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from domain.plugin import PropertySpec, Schema, TaskCatalogue, TaskSpec, TriggerSpec

CORE: Final = "io.kestra.plugin.core."
_OLD: Final = "io.kestra.core.tasks."

_TEXT: Final[Schema] = {"type": "string"}
_WHOLE: Final[Schema] = {"type": "integer"}
_NUMBER: Final[Schema] = {"type": "number"}
_FLAG: Final[Schema] = {"type": "boolean"}
_MAP: Final[Schema] = {"type": "object"}
_ANY: Final[Schema] = {}
_TEXTS: Final[Schema] = {"type": "array", "items": {"type": "string"}}
_LIST: Final[Schema] = {"type": "array"}
_DURATION: Final[Schema] = {"type": "string", "format": "duration"}
_INSTANT: Final[Schema] = {"type": "string", "format": "date-time"}
_URI: Final[Schema] = {"type": "string", "format": "uri"}
_TEXT_OR_TEXTS: Final[Schema] = {"anyOf": [_TEXT, _TEXTS]}
_TEXTS_OR_MAP: Final[Schema] = {"anyOf": [_TEXTS, _MAP, _TEXT]}
_LEVEL: Final[Schema] = {"type": "string", "enum": ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"]}
_STATES: Final[Schema] = _TEXTS


def _required(schema: Schema, **more: Any) -> PropertySpec:
    return PropertySpec(schema=schema, required=True, **more)


def _optional(schema: Schema, default: Any = None, **more: Any) -> PropertySpec:
    return PropertySpec(schema=schema, default=default, **more)


def _old(schema: Schema) -> PropertySpec:
    return PropertySpec(schema=schema, deprecated=True)


def _task(
    name: str,
    title: str,
    properties: Mapping[str, PropertySpec] | None = None,
    outputs: Mapping[str, Schema] | None = None,
    *old: str,
    **more: Any,
) -> TaskSpec:
    aliases = tuple(alias if alias.startswith("io.") else _OLD + alias for alias in old)
    return TaskSpec(
        type=CORE + name,
        title=title,
        properties=properties or {},
        outputs=outputs or {},
        aliases=aliases,
        **more,
    )


_SAY: Final = (
    _task(
        "log.Log",
        "Write lines to the execution's log.",
        {"message": _required(_TEXT_OR_TEXTS), "level": _optional(_LEVEL, "INFO")},
        None,
        "log.Log",
    ),
    _task(
        "log.Fetch",
        "Write log lines of an execution to a file.",
        {
            "executionId": _optional(_TEXT),
            "level": _optional(_LEVEL, "INFO"),
            "tasksId": _optional({"anyOf": [_TEXTS, _TEXT]}),
        },
        {"size": _WHOLE, "uri": _URI},
        "log.Fetch",
    ),
    _task(
        "log.PurgeLogs",
        "Delete log lines.",
        {
            "namespace": _optional(_TEXT),
            "flowId": _optional(_TEXT),
            "executionId": _optional(_TEXT),
            "logLevels": _optional(_TEXTS),
            "startDate": _optional(_INSTANT),
            "endDate": _required(_INSTANT),
            "purgeExecutionLogs": _optional(_FLAG, default=True),
            "purgeNonExecutionLogs": _optional(_FLAG, default=True),
            "batchSize": _optional(_WHOLE),
        },
        {"count": _WHOLE},
    ),
    _task(
        "debug.Return",
        "Render a text and hand it out.",
        {"format": _optional(_TEXT)},
        {"value": _TEXT},
        "debugs.Return",
    ),
    _task(
        "debug.Echo",
        "Write a line to the log (use log.Log).",
        {"format": _optional(_TEXT), "level": _optional(_LEVEL, "INFO")},
        None,
        "debugs.Echo",
        deprecated=True,
    ),
    _task(
        "output.OutputValues",
        "Hand out values.",
        {"values": _required(_MAP)},
        {"values": _MAP},
        "outputs.OutputValues",
    ),
    _task(
        "metric.Publish",
        "Record metrics.",
        {"metrics": _required({"anyOf": [_LIST, _TEXT]})},
    ),
    _task(
        "metric.PurgeMetrics",
        "Delete metrics.",
        {
            "namespace": _optional(_TEXT),
            "flowId": _optional(_TEXT),
            "startDate": _optional(_INSTANT),
            "endDate": _required(_INSTANT),
            "batchSize": _optional(_WHOLE),
        },
        {"count": _WHOLE},
    ),
)

_EXECUTION: Final = (
    _task(
        "execution.Fail",
        "Fail, always or when a condition holds.",
        {
            "condition": _optional({"anyOf": [_TEXT, _FLAG]}),
            "errorMessage": _optional(_TEXT, "Task failure"),
        },
        None,
        "executions.Fail",
        runnable=False,
    ),
    _task(
        "execution.Exit",
        "End the execution in a state.",
        {
            "state": _optional(
                {
                    "type": "string",
                    "enum": ["SUCCESS", "WARNING", "KILLED", "FAILED", "CANCELED", "CANCELLED"],
                },
                "SUCCESS",
            )
        },
        runnable=False,
    ),
    _task(
        "execution.Assert",
        "Fail unless every condition holds.",
        {"conditions": _required({"anyOf": [_TEXTS, _TEXT]}), "errorMessage": _optional(_TEXT)},
        {"failed": _WHOLE, "success": _WHOLE},
        runnable=False,
    ),
    _task(
        "execution.Labels",
        "Add or change labels of the execution.",
        {"labels": _required({"anyOf": [_MAP, _LIST, _TEXT]})},
        None,
        "executions.Labels",
        runnable=False,
    ),
    _task(
        "execution.SetVariables",
        "Set execution variables.",
        {"variables": _required(_MAP), "overwrite": _optional(_FLAG, default=True)},
        runnable=False,
    ),
    _task(
        "execution.UnsetVariables",
        "Remove execution variables.",
        {"variables": _required(_TEXTS), "ignoreMissing": _optional(_FLAG, default=False)},
        runnable=False,
    ),
    _task(
        "execution.Count",
        "Count executions per flow.",
        {
            "flows": _optional(_LIST),
            "namespaces": _optional(_TEXTS),
            "states": _optional(_STATES),
            "startDate": _optional(_INSTANT),
            "endDate": _optional(_INSTANT),
            "expression": _required(_TEXT),
        },
        {"results": _LIST, "total": _WHOLE},
        "executions.Counts",
        CORE + "execution.Counts",
    ),
    _task(
        "execution.Resume",
        "Resume a paused execution.",
        {
            "namespace": _optional(_TEXT),
            "flowId": _optional(_TEXT),
            "executionId": _required(_TEXT),
            "inputs": _optional(_MAP),
        },
        None,
        "executions.Resume",
    ),
    _task(
        "execution.PurgeExecutions",
        "Delete executions with all they hold.",
        {
            "namespace": _optional(_TEXT),
            "flowId": _optional(_TEXT),
            "startDate": _optional(_INSTANT),
            "endDate": _required(_INSTANT),
            "states": _optional(_STATES),
            "purgeExecution": _optional(_FLAG, default=True),
            "purgeLog": _optional(_FLAG, default=True),
            "purgeMetric": _optional(_FLAG, default=True),
            "purgeStorage": _optional(_FLAG, default=True),
            "batchSize": _optional(_WHOLE, 100),
        },
        {
            "executionsCount": _WHOLE,
            "logsCount": _WHOLE,
            "metricsCount": _WHOLE,
            "storagesCount": _WHOLE,
            "taskOutputsCount": _WHOLE,
        },
        "storages.Purge",
        CORE + "storage.Purge",
    ),
    _task(
        "flow.Sleep",
        "Wait.",
        {"duration": _required({"anyOf": [_DURATION, _NUMBER]})},
        None,
        "flows.Sleep",
    ),
    _task(
        "templating.TemplatedTask",
        "Render the YAML of a task and run it.",
        {"spec": _required(_TEXT)},
        None,
        "templating.TemplatedTask",
    ),
    _task(
        "trigger.Toggle",
        "Enable or disable a trigger.",
        {
            "namespace": _optional(_TEXT),
            "flowId": _optional(_TEXT),
            "trigger": _required(_TEXT),
            "enabled": _optional(_FLAG, default=False),
        },
        None,
        "trigger.Toggle",
    ),
)

_STORES: Final = (
    _task(
        "kv.Set",
        "Write a key of the key-value store.",
        {
            "key": _required(_TEXT),
            "value": _required(_ANY),
            "namespace": _optional(_TEXT, "{{ flow.namespace }}"),
            "overwrite": _optional(_FLAG, default=True),
            "ttl": _optional(_DURATION),
            "kvDescription": _optional(_TEXT),
            "kvType": _optional(
                {
                    "type": "string",
                    "enum": [
                        "STRING",
                        "NUMBER",
                        "BOOLEAN",
                        "DATETIME",
                        "DATE",
                        "DURATION",
                        "JSON",
                    ],
                }
            ),
        },
    ),
    _task(
        "kv.Get",
        "Read a key of the key-value store.",
        {
            "key": _required(_TEXT),
            "namespace": _optional(_TEXT, "{{ flow.namespace }}"),
            "errorOnMissing": _optional(_FLAG, default=False),
        },
        {"value": _ANY},
    ),
    _task(
        "kv.GetKeys",
        "List keys of the key-value store.",
        {
            "prefix": _optional(_TEXT),
            "namespace": _optional(_TEXT, "{{ flow.namespace }}"),
        },
        {"keys": _TEXTS},
    ),
    _task(
        "kv.Delete",
        "Delete a key of the key-value store.",
        {
            "key": _required(_TEXT),
            "namespace": _optional(_TEXT, "{{ flow.namespace }}"),
            "errorOnMissing": _optional(_FLAG, default=False),
        },
        {"deleted": _FLAG},
    ),
    _task(
        "kv.PurgeKV",
        "Delete expired keys or old versions.",
        {
            "namespaces": _optional(_TEXTS),
            "namespacePattern": _optional(_TEXT),
            "keyPattern": _optional(_TEXT),
            "includeChildNamespaces": _optional(_FLAG, default=True),
            "behavior": _optional(_MAP, dynamic=False),
            "expiredOnly": _old(_FLAG),
        },
        {"size": _WHOLE},
    ),
    _task(
        "namespace.UploadFiles",
        "Write namespace files.",
        {
            "namespace": _optional(_TEXT, "{{ flow.namespace }}"),
            "files": _optional({"anyOf": [_TEXTS, _MAP]}),
            "filesMap": _optional({"anyOf": [_MAP, _TEXT]}),
            "destination": _optional(_TEXT, "/"),
            "conflict": _optional(
                {"type": "string", "enum": ["OVERWRITE", "ERROR", "SKIP"]}, "OVERWRITE"
            ),
        },
        {"files": _MAP},
        "namespace.UploadFiles",
    ),
    _task(
        "namespace.DownloadFiles",
        "Copy namespace files into the execution.",
        {
            "namespace": _optional(_TEXT, "{{ flow.namespace }}"),
            "files": _required(_TEXT_OR_TEXTS),
            "destination": _optional(_TEXT, ""),
        },
        {"files": _MAP},
        "namespace.DownloadFiles",
    ),
    _task(
        "namespace.DeleteFiles",
        "Delete namespace files.",
        {
            "namespace": _optional(_TEXT, "{{ flow.namespace }}"),
            "files": _required(_TEXT_OR_TEXTS),
            "deleteParentFolder": _optional(_FLAG, default=False),
        },
        {"files": _MAP},
        "namespace.DeleteFiles",
    ),
    _task(
        "namespace.PurgeFiles",
        "Delete old versions of namespace files.",
        {
            "namespaces": _optional(_TEXTS),
            "namespacePattern": _optional(_TEXT),
            "filePattern": _optional(_TEXT),
            "includeChildNamespaces": _optional(_FLAG, default=True),
            "behavior": _optional(_MAP, dynamic=False),
        },
        {"size": _WHOLE},
    ),
    _task(
        "state.Set",
        "Write a state file (use kv.Set).",
        {
            "name": _optional(_TEXT, "default"),
            "namespace": _optional(_FLAG, default=False),
            "taskrunValue": _optional(_FLAG, default=True),
            "data": _optional({"anyOf": [_MAP, _TEXT]}),
        },
        {"count": _WHOLE, "key": _TEXT},
        "states.Set",
        deprecated=True,
    ),
    _task(
        "state.Get",
        "Read a state file (use kv.Get).",
        {
            "name": _optional(_TEXT, "default"),
            "namespace": _optional(_FLAG, default=False),
            "taskrunValue": _optional(_FLAG, default=True),
            "errorOnMissing": _optional(_FLAG, default=False),
        },
        {"count": _WHOLE, "data": _MAP, "key": _TEXT},
        "states.Get",
        deprecated=True,
    ),
    _task(
        "state.Delete",
        "Delete a state file (use kv.Delete).",
        {
            "name": _optional(_TEXT, "default"),
            "namespace": _optional(_FLAG, default=False),
            "taskrunValue": _optional(_FLAG, default=True),
            "errorOnMissing": _optional(_FLAG, default=False),
        },
        {"deleted": _FLAG},
        "states.Delete",
        deprecated=True,
    ),
)

_STORAGE: Final = (
    _task(
        "storage.Write",
        "Write a text to a file.",
        {"content": _required(_TEXT), "extension": _optional(_TEXT)},
        {"uri": _URI},
    ),
    _task(
        "storage.Concat",
        "Join files.",
        {
            "files": _required({"anyOf": [_TEXTS, _TEXT]}),
            "separator": _optional(_TEXT),
            "extension": _optional(_TEXT, ".tmp"),
        },
        {"uri": _URI},
        "storages.Concat",
    ),
    _task(
        "storage.Split",
        "Cut a file of lines into parts.",
        {
            "from": _required(_TEXT),
            "bytes": _optional({"anyOf": [_TEXT, _WHOLE]}),
            "partitions": _optional(_WHOLE),
            "rows": _optional(_WHOLE),
            "separator": _optional(_TEXT, "\n"),
            "regexPattern": _optional(_TEXT),
        },
        {"uris": _TEXTS},
        "storages.Split",
    ),
    _task(
        "storage.Size",
        "Measure a file.",
        {"uri": _required(_TEXT)},
        {"size": _WHOLE},
        "storages.Size",
    ),
    _task(
        "storage.Delete",
        "Delete a file.",
        {"uri": _required(_TEXT), "errorOnMissing": _optional(_FLAG, default=False)},
        {"uri": _URI, "deleted": _FLAG},
        "storages.Delete",
    ),
    _task(
        "storage.Reverse",
        "Turn the lines of a file around.",
        {
            "from": _required(_TEXT),
            "separator": _optional(_TEXT, "\n"),
            "charset": _optional(_TEXT, "UTF-8"),
        },
        {"uri": _URI},
        "storages.Reverse",
    ),
    _task(
        "storage.FilterItems",
        "Keep or drop records of a file by an expression.",
        {
            "from": _required(_TEXT),
            "filterCondition": _required(_TEXT),
            "filterType": _optional({"type": "string", "enum": ["INCLUDE", "EXCLUDE"]}, "INCLUDE"),
            "errorOrNullBehavior": _optional(
                {"type": "string", "enum": ["FAIL", "INCLUDE", "EXCLUDE"]}, "FAIL"
            ),
        },
        {"uri": _URI, "processedItemsTotal": _WHOLE, "droppedItemsTotal": _WHOLE},
    ),
    _task(
        "storage.DeduplicateItems",
        "Keep the last record of each key.",
        {"from": _required(_TEXT), "expr": _required(_TEXT)},
        {
            "uri": _URI,
            "numKeys": _WHOLE,
            "processedItemsTotal": _WHOLE,
            "droppedItemsTotal": _WHOLE,
        },
    ),
    _task(
        "storage.LocalFiles",
        "Bring files into the working directory, or out of it.",
        {"inputs": _optional({"anyOf": [_MAP, _TEXT]}), "outputs": _optional(_TEXTS)},
        {"uris": _MAP},
        "storages.LocalFiles",
        deprecated=True,
    ),
    _task(
        "storage.PurgeCurrentExecutionFiles",
        "Delete the files of this execution.",
        {},
        {"uris": _TEXTS},
        "storages.PurgeExecution",
        CORE + "storage.PurgeExecution",
    ),
)

_HTTP: Final[dict[str, PropertySpec]] = {
    "uri": _required(_TEXT),
    "method": _optional(_TEXT, "GET"),
    "params": _optional(_MAP),
    "body": _optional(_TEXT),
    "formData": _optional(_MAP),
    "contentType": _optional(_TEXT),
    "headers": _optional(_MAP),
    "options": _optional(_MAP, dynamic=False),
    "sslOptions": _old(_MAP),
    "allowFailed": _old(_FLAG),
}
_ANSWER: Final[dict[str, Schema]] = {"uri": _URI, "code": _WHOLE, "headers": _MAP}

_WEB: Final = (
    _task(
        "http.Request",
        "Send an HTTP request.",
        {**_HTTP, "encryptBody": _optional(_FLAG, default=False)},
        {**_ANSWER, "body": _ANY, "formData": _MAP, "encryptedBody": _MAP},
        "io.kestra.plugin.fs.http.Request",
    ),
    _task(
        "http.Download",
        "Download a file.",
        {
            **_HTTP,
            "failOnEmptyResponse": _optional(_FLAG, default=True),
            "saveAs": _optional(_TEXT),
        },
        {**_ANSWER, "length": _WHOLE},
        "io.kestra.plugin.fs.http.Download",
    ),
    _task(
        "http.SseRequest",
        "Read a stream of server-sent events.",
        {
            **_HTTP,
            "concatJqExpression": _optional(_TEXT),
            "failedOnMissingJq": _optional(_FLAG, default=True),
        },
        {"uri": _URI, "size": _WHOLE, "events": _LIST, "result": _TEXT},
    ),
)

_TRIGGERS: Final = (
    TriggerSpec(
        type=CORE + "http.Trigger",
        title="Ask a URL now and then; start an execution when the answer fits.",
        properties={
            **_HTTP,
            "interval": _optional(_DURATION, "PT60S", dynamic=False),
            "responseCondition": _optional(_TEXT, "{{ response.statusCode < 400 }}"),
            "encryptBody": _optional(_FLAG, default=False),
        },
        outputs={**_ANSWER, "body": _ANY},
        aliases=("io.kestra.plugin.fs.http.Trigger",),
    ),
)

CORE_CATALOGUE: Final = TaskCatalogue((*_SAY, *_EXECUTION, *_STORES, *_STORAGE, *_WEB), _TRIGGERS)
"""All types that come with Tidewheel; add to it with `with_types`."""
