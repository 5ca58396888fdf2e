"""The task types that come with Tidewheel."""

from __future__ import annotations

from infra.plugins import (
    debug,
    execution,
    http,
    items,
    kv,
    log,
    metric,
    namespace_files,
    output,
    sleep,
    state,
    storage,
    templating,
    trigger,
)
from streams.worker.plugin import Plugins


def core_plugins() -> Plugins:
    """Return every task type of ours that a worker runs."""
    plugins = Plugins(
        (
            *log.PLUGINS,
            *debug.PLUGINS,
            *output.PLUGINS,
            *metric.PLUGINS,
            *sleep.PLUGINS,
            *execution.PLUGINS,
            *trigger.PLUGINS,
            *kv.PLUGINS,
            *state.PLUGINS,
            *namespace_files.PLUGINS,
            *storage.PLUGINS,
            *items.PLUGINS,
            *http.PLUGINS,
        )
    )
    return Plugins((*plugins, templating.templated_task(plugins)))
