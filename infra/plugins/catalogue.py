"""The task types that come with Tidewheel."""

from __future__ import annotations

from infra.plugins import debug, log, output, sleep
from streams.worker.plugin import Plugins


def core_plugins() -> Plugins:
    """Return every task type of ours that a worker runs."""
    return Plugins((*log.PLUGINS, *debug.PLUGINS, *output.PLUGINS, *sleep.PLUGINS))
