"""Every read model."""

from __future__ import annotations

from projections.executions.document import EXECUTIONS
from projections.flows.document import FLOWS
from projections.logs.document import LOGS
from projections.metrics.document import METRICS
from projections.store import ReadModel
from projections.taskruns.document import TASK_RUNS
from projections.triggers.document import TRIGGERS

MODELS: tuple[ReadModel, ...] = (EXECUTIONS, TASK_RUNS, LOGS, METRICS, FLOWS, TRIGGERS)
BY_NAME: dict[str, ReadModel] = {model.name: model for model in MODELS}
