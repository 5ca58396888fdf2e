"""The core types that keep or fetch data: key values, files, HTTP."""

from __future__ import annotations

from typing import Final

from domain.flow.spec_words import (
    ANY,
    CORE,
    DURATION,
    FLAG,
    LIST,
    MAP,
    TEXT,
    TEXT_OR_TEXTS,
    TEXTS,
    URI,
    WHOLE,
    old,
    optional,
    required,
    task,
)
from domain.plugin import PropertySpec, Schema, TriggerSpec

STORES: Final = (
    task(
        "kv.Set",
        "Write a key of the key-value store.",
        {
            "key": required(TEXT),
            "value": required(ANY),
            "namespace": optional(TEXT, "{{ flow.namespace }}"),
            "overwrite": optional(FLAG, default=True),
            "ttl": optional(DURATION),
            "kvDescription": optional(TEXT),
            "kvType": optional(
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
    task(
        "kv.Get",
        "Read a key of the key-value store.",
        {
            "key": required(TEXT),
            "namespace": optional(TEXT, "{{ flow.namespace }}"),
            "errorOnMissing": optional(FLAG, default=False),
        },
        {"value": ANY},
    ),
    task(
        "kv.GetKeys",
        "List keys of the key-value store.",
        {
            "prefix": optional(TEXT),
            "namespace": optional(TEXT, "{{ flow.namespace }}"),
        },
        {"keys": TEXTS},
    ),
    task(
        "kv.Delete",
        "Delete a key of the key-value store.",
        {
            "key": required(TEXT),
            "namespace": optional(TEXT, "{{ flow.namespace }}"),
            "errorOnMissing": optional(FLAG, default=False),
        },
        {"deleted": FLAG},
    ),
    task(
        "kv.PurgeKV",
        "Delete expired keys or old versions.",
        {
            "namespaces": optional(TEXTS),
            "namespacePattern": optional(TEXT),
            "keyPattern": optional(TEXT),
            "includeChildNamespaces": optional(FLAG, default=True),
            "behavior": optional(MAP, dynamic=False),
            "expiredOnly": old(FLAG),
        },
        {"size": WHOLE},
    ),
    task(
        "namespace.UploadFiles",
        "Write namespace files.",
        {
            "namespace": optional(TEXT, "{{ flow.namespace }}"),
            "files": optional({"anyOf": [TEXTS, MAP]}),
            "filesMap": optional({"anyOf": [MAP, TEXT]}),
            "destination": optional(TEXT, "/"),
            "conflict": optional(
                {"type": "string", "enum": ["OVERWRITE", "ERROR", "SKIP"]}, "OVERWRITE"
            ),
        },
        {"files": MAP},
        "namespace.UploadFiles",
    ),
    task(
        "namespace.DownloadFiles",
        "Copy namespace files into the execution.",
        {
            "namespace": optional(TEXT, "{{ flow.namespace }}"),
            "files": required(TEXT_OR_TEXTS),
            "destination": optional(TEXT, ""),
        },
        {"files": MAP},
        "namespace.DownloadFiles",
    ),
    task(
        "namespace.DeleteFiles",
        "Delete namespace files.",
        {
            "namespace": optional(TEXT, "{{ flow.namespace }}"),
            "files": required(TEXT_OR_TEXTS),
            "deleteParentFolder": optional(FLAG, default=False),
        },
        {"files": MAP},
        "namespace.DeleteFiles",
    ),
    task(
        "namespace.PurgeFiles",
        "Delete old versions of namespace files.",
        {
            "namespaces": optional(TEXTS),
            "namespacePattern": optional(TEXT),
            "filePattern": optional(TEXT),
            "includeChildNamespaces": optional(FLAG, default=True),
            "behavior": optional(MAP, dynamic=False),
        },
        {"size": WHOLE},
    ),
    task(
        "state.Set",
        "Write a state file (use kv.Set).",
        {
            "name": optional(TEXT, "default"),
            "namespace": optional(FLAG, default=False),
            "taskrunValue": optional(FLAG, default=True),
            "data": optional({"anyOf": [MAP, TEXT]}),
        },
        {"count": WHOLE, "key": TEXT},
        "states.Set",
        deprecated=True,
    ),
    task(
        "state.Get",
        "Read a state file (use kv.Get).",
        {
            "name": optional(TEXT, "default"),
            "namespace": optional(FLAG, default=False),
            "taskrunValue": optional(FLAG, default=True),
            "errorOnMissing": optional(FLAG, default=False),
        },
        {"count": WHOLE, "data": MAP, "key": TEXT},
        "states.Get",
        deprecated=True,
    ),
    task(
        "state.Delete",
        "Delete a state file (use kv.Delete).",
        {
            "name": optional(TEXT, "default"),
            "namespace": optional(FLAG, default=False),
            "taskrunValue": optional(FLAG, default=True),
            "errorOnMissing": optional(FLAG, default=False),
        },
        {"deleted": FLAG},
        "states.Delete",
        deprecated=True,
    ),
)

STORAGE: Final = (
    task(
        "storage.Write",
        "Write a text to a file.",
        {"content": required(TEXT), "extension": optional(TEXT)},
        {"uri": URI},
    ),
    task(
        "storage.Concat",
        "Join files.",
        {
            "files": required({"anyOf": [TEXTS, TEXT]}),
            "separator": optional(TEXT),
            "extension": optional(TEXT, ".tmp"),
        },
        {"uri": URI},
        "storages.Concat",
    ),
    task(
        "storage.Split",
        "Cut a file of lines into parts.",
        {
            "from": required(TEXT),
            "bytes": optional({"anyOf": [TEXT, WHOLE]}),
            "partitions": optional(WHOLE),
            "rows": optional(WHOLE),
            "separator": optional(TEXT, "\n"),
            "regexPattern": optional(TEXT),
        },
        {"uris": TEXTS},
        "storages.Split",
    ),
    task(
        "storage.Size",
        "Measure a file.",
        {"uri": required(TEXT)},
        {"size": WHOLE},
        "storages.Size",
    ),
    task(
        "storage.Delete",
        "Delete a file.",
        {"uri": required(TEXT), "errorOnMissing": optional(FLAG, default=False)},
        {"uri": URI, "deleted": FLAG},
        "storages.Delete",
    ),
    task(
        "storage.Reverse",
        "Turn the lines of a file around.",
        {
            "from": required(TEXT),
            "separator": optional(TEXT, "\n"),
            "charset": optional(TEXT, "UTF-8"),
        },
        {"uri": URI},
        "storages.Reverse",
    ),
    task(
        "storage.FilterItems",
        "Keep or drop records of a file by an expression.",
        {
            "from": required(TEXT),
            "filterCondition": required(TEXT),
            "filterType": optional({"type": "string", "enum": ["INCLUDE", "EXCLUDE"]}, "INCLUDE"),
            "errorOrNullBehavior": optional(
                {"type": "string", "enum": ["FAIL", "INCLUDE", "EXCLUDE"]}, "FAIL"
            ),
        },
        {"uri": URI, "processedItemsTotal": WHOLE, "droppedItemsTotal": WHOLE},
    ),
    task(
        "storage.DeduplicateItems",
        "Keep the last record of each key.",
        {"from": required(TEXT), "expr": required(TEXT)},
        {
            "uri": URI,
            "numKeys": WHOLE,
            "processedItemsTotal": WHOLE,
            "droppedItemsTotal": WHOLE,
        },
    ),
    task(
        "storage.LocalFiles",
        "Bring files into the working directory, or out of it.",
        {"inputs": optional({"anyOf": [MAP, TEXT]}), "outputs": optional(TEXTS)},
        {"uris": MAP},
        "storages.LocalFiles",
        deprecated=True,
    ),
    task(
        "storage.PurgeCurrentExecutionFiles",
        "Delete the files of this execution.",
        {},
        {"uris": TEXTS},
        "storages.PurgeExecution",
        CORE + "storage.PurgeExecution",
    ),
)

_HTTP: Final[dict[str, PropertySpec]] = {
    "uri": required(TEXT),
    "method": optional(TEXT, "GET"),
    "params": optional(MAP),
    "body": optional(TEXT),
    "formData": optional(MAP),
    "contentType": optional(TEXT),
    "headers": optional(MAP),
    "options": optional(MAP, dynamic=False),
    "sslOptions": old(MAP),
    "allowFailed": old(FLAG),
}
_ANSWER: Final[dict[str, Schema]] = {"uri": URI, "code": WHOLE, "headers": MAP}

WEB: Final = (
    task(
        "http.Request",
        "Send an HTTP request.",
        {**_HTTP, "encryptBody": optional(FLAG, default=False)},
        {**_ANSWER, "body": ANY, "formData": MAP, "encryptedBody": MAP},
        "io.kestra.plugin.fs.http.Request",
    ),
    task(
        "http.Download",
        "Download a file.",
        {
            **_HTTP,
            "failOnEmptyResponse": optional(FLAG, default=True),
            "saveAs": optional(TEXT),
        },
        {**_ANSWER, "length": WHOLE},
        "io.kestra.plugin.fs.http.Download",
    ),
    task(
        "http.SseRequest",
        "Read a stream of server-sent events.",
        {
            **_HTTP,
            "concatJqExpression": optional(TEXT),
            "failedOnMissingJq": optional(FLAG, default=True),
        },
        {"uri": URI, "size": WHOLE, "events": LIST, "result": TEXT},
    ),
)

WEB_TRIGGERS: Final = (
    TriggerSpec(
        type=CORE + "http.Trigger",
        title="Ask a URL now and then; start an execution when the answer fits.",
        properties={
            **_HTTP,
            "interval": optional(DURATION, "PT60S", dynamic=False),
            "responseCondition": optional(TEXT, "{{ response.statusCode < 400 }}"),
            "encryptBody": optional(FLAG, default=False),
        },
        outputs={**_ANSWER, "body": ANY},
        aliases=("io.kestra.plugin.fs.http.Trigger",),
    ),
)
