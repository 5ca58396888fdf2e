"""What the documentation says of properties that many types share, in JSON Schema."""

from __future__ import annotations

from typing import Any, Final

Json = dict[str, Any]

_MODELS: Final = "io.kestra.core.models."
_RETRYS: Final = f"{_MODELS}tasks.retrys."
_TEXT: Final[Json] = {"type": "string"}
_DURATION: Final[Json] = {"type": "string", "format": "duration"}
_CORE: Final[Json] = {"$dynamic": False, "$group": "core"}


def ref(name: str) -> Json:
    """Return a reference to a definition of a documentation page."""
    return {"$ref": f"#/$defs/{name}"}


def _flag(default: bool = False) -> Json:
    return {"type": "boolean", "default": default}


_RETRY_WORDS: Final[Json] = {
    "title": "Retry",
    "description": "What happens when an attempt of the task fails.",
}
PLUGIN_DEFAULTS_REF: Final[Json] = {
    **_TEXT,
    "title": "The `ref` of the entry of `pluginDefaults` that applies to this task.",
    "$dynamic": False,
    "$group": "advanced",
}
TASK_PROPERTIES: Final[Json] = {
    "allowFailure": _flag() | _CORE,
    "allowWarning": _flag() | _CORE,
    "assets": ref(f"{_MODELS}assets.AssetsDeclaration") | _CORE,
    "description": _TEXT | _CORE,
    "disabled": _flag() | _CORE,
    "id": {**_TEXT, "minLength": 1, "maxLength": 256, "pattern": "^[a-zA-Z0-9][a-zA-Z0-9_-]*"},
    "logLevel": {**_TEXT, "enum": ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"], **_CORE},
    "logToFile": _flag() | _CORE,
    "pluginDefaultsRef": PLUGIN_DEFAULTS_REF,
    "retry": {
        "anyOf": [
            ref(_RETRYS + name) | _RETRY_WORDS | _CORE
            for name in ("Constant", "Exponential", "Random")
        ],
        **_RETRY_WORDS,
    },
    "runIf": {**_TEXT, "default": "true", **_CORE},
    "taskCache": ref(f"{_MODELS}tasks.Cache") | _CORE,
    "timeout": {
        "anyOf": [
            _DURATION | {"$dynamic": True, "$group": "core"},
            _TEXT | {"$dynamic": True, "$group": "core"},
        ]
    },
    "version": {
        **_TEXT,
        "title": "Plugin version",
        "description": "The version of the plugin, where several are installed: this server has "
        "one version of each.",
        **_CORE,
    },
    "workerGroup": ref(f"{_MODELS}tasks.WorkerGroup") | _CORE,
}
"""What every task has, by name."""
TASK_REQUIRED: Final = ("id", "type")

_BEHAVIOR: Final[Json] = {
    **_TEXT,
    "enum": ["RETRY_FAILED_TASK", "CREATE_NEW_EXECUTION"],
    "default": "RETRY_FAILED_TASK",
}


def _object(properties: Json, *required: str, **more: Any) -> Json:
    marked = {
        name: {**schema, "$required": name in required} for name, schema in properties.items()
    }
    found: Json = {"type": "object", "properties": marked}
    return found | ({"required": list(required)} if required else {}) | more


def _retry(kind: str, own: Json, about: str) -> Json:
    properties = {
        **own,
        "type": {"const": kind},
        "behavior": _BEHAVIOR,
        "maxAttempts": {"type": "integer", "minimum": 1},
        "maxDuration": _DURATION,
        "warningOnRetry": _flag(),
    }
    needed = [name for name in own if name != "delayFactor"]
    title = f"{kind.capitalize()} retry"
    return _object(properties, *needed, "type", title=title, description=about)


DEFINITIONS: Final[Json] = {
    f"{_RETRYS}Constant": _retry(
        "constant", {"interval": _DURATION}, "The same wait before every attempt."
    ),
    f"{_RETRYS}Random": _retry(
        "random",
        {"maxInterval": _DURATION, "minInterval": _DURATION},
        "A wait by chance between two bounds.",
    ),
    f"{_RETRYS}Exponential": _retry(
        "exponential",
        {"interval": _DURATION, "maxInterval": _DURATION, "delayFactor": {"type": "number"}},
        "A wait that grows with every attempt.",
    ),
    f"{_MODELS}assets.External": _object(
        {
            "id": {
                **_TEXT,
                "minLength": 1,
                "maxLength": 150,
                "pattern": "^[a-zA-Z0-9][a-zA-Z0-9._-]*",
            },
            "type": {"const": f"{_MODELS}assets.External"},
            "description": _TEXT,
            "displayName": _TEXT,
            "metadata": {"type": "object", "default": {}},
            "namespace": {
                **_TEXT,
                "minLength": 1,
                "maxLength": 150,
                "pattern": "^[a-z0-9][a-z0-9._-]*",
            },
        },
        "id",
        "type",
    ),
    f"{_MODELS}assets.AssetIdentifier": _object({"id": _TEXT, "type": _TEXT}),
    f"{_MODELS}assets.AssetsDeclaration": _object(
        {
            "enableAuto": {
                "anyOf": [{"type": "boolean", "$dynamic": True}, _TEXT | {"$dynamic": True}]
            },
            **{
                name: {
                    "$dynamic": True,
                    "type": "array",
                    "items": ref(f"{_MODELS}assets.{kind}") | {"$dynamic": True},
                }
                for name, kind in (("inputs", "AssetIdentifier"), ("outputs", "External"))
            },
        }
    ),
    f"{_MODELS}tasks.Cache": _object({"enabled": {"type": "boolean"}, "ttl": _DURATION}, "enabled"),
    f"{_MODELS}tasks.WorkerGroup": _object(
        {"fallback": {**_TEXT, "enum": ["FAIL", "WAIT", "CANCEL"]}, "key": _TEXT}
    ),
    f"{_MODELS}flows.DependsOn": _object(
        {"condition": _TEXT, "inputs": {"type": "array", "items": _TEXT}}
    ),
}
"""By the names under which clients know them."""

INPUT_WORDS: Final[Json] = {
    "defaults": {"title": "What holds when no value is given.", "$dynamic": True},
    "dependsOn": {"title": "The inputs that come before this one, and when it is asked for."},
    "description": {"title": "What the input is for."},
    "displayName": {"title": "The name that people see."},
    "id": {"title": "The name by which expressions find it.", "minLength": 1},
    "prefill": {
        "title": "A value that is put forward.",
        "description": "Shown to people before they choose; not together with a default.",
        "$dynamic": True,
    },
    "validator": {"title": "A regular expression that the value must match."},
}
"""What is said of the properties of inputs beyond their types."""

_HTTP: Final = "io.kestra.core.http.client.configurations."


def _authentication(kind: str, fields: dict[str, tuple[str, bool]]) -> Json:
    properties: Json = {
        name: {**_TEXT, "title": title, "$dynamic": True} | ({"$secret": True} if secret else {})
        for name, (title, secret) in fields.items()
    }
    return {"type": "object", "properties": properties | {"type": {"const": kind}}}


def _chosen(name: str, kind: str) -> Json:
    choice = {"type": "object", "properties": {"type": {"const": kind}}, "required": ["type"]}
    return {"allOf": [{"$ref": f"#/definitions/{_HTTP}{name}-1"}, choice]}


HTTP_DEFINITIONS: Final[Json] = {
    f"{_HTTP}BasicAuthConfiguration-1": _authentication(
        "BASIC",
        {
            "password": ("The password of basic authentication.", True),
            "username": ("The user of basic authentication.", False),
        },
    ),
    f"{_HTTP}BasicAuthConfiguration-2": _chosen("BasicAuthConfiguration", "BASIC"),
    f"{_HTTP}BearerAuthConfiguration-1": _authentication(
        "BEARER", {"token": ("The token of bearer authentication.", True)}
    ),
    f"{_HTTP}BearerAuthConfiguration-2": _chosen("BearerAuthConfiguration", "BEARER"),
}
"""How HTTP tasks say who asks."""
HTTP_AUTH: Final[Json] = {
    "anyOf": [
        {"$ref": f"#/definitions/{_HTTP}BasicAuthConfiguration-2"},
        {"$ref": f"#/definitions/{_HTTP}BearerAuthConfiguration-2"},
        {"type": ["object", "string"]},
    ]
}
"""`options.auth` of HTTP tasks; other kinds are told by their `type`."""
