"""What the parts of a process do now, as the management port tells it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api.views.text import instant
from domain.execution.requests import TaskRequest
from domain.flow.render_json import trigger_json
from domain.ports.stores import FlowReader
from domain.trigger.state import Trigger

View = dict[str, Any]


def schedulable_view(triggers: Sequence[Trigger], flows: FlowReader) -> View:
    """Return the triggers that a scheduler will fire, with their definitions and next dates."""
    views = []
    for trigger in triggers:
        key, date = trigger.key, trigger.due_date
        flow = flows.get(key.tenant, key.namespace, key.flow_id, trigger.flow_revision)
        declared = None if flow is None else flow.find_trigger(key.trigger_id)
        if declared is None or date is None:
            continue
        views.append(
            {
                "flowId": key.flow_id,
                "namespace": key.namespace,
                "revision": trigger.flow_revision,
                "trigger": trigger_json(declared),
                "next": instant(date),
            }
        )
    return {"schedulableCount": len(views), "schedulable": views}


def running_view(requests: Sequence[TaskRequest]) -> View:
    """Return the task runs that a worker has in hand."""
    views = [
        {
            "type": "task",
            "executionId": request.execution_id,
            "taskRunId": request.task_run_id,
            "namespace": request.namespace,
            "flowId": request.flow_id,
            "taskId": str(request.task.get("id", "")),
            "attempt": request.attempt,
        }
        for request in requests
    ]
    return {"runningCount": len(views), "runnings": views}
