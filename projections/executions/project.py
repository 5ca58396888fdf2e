"""Executions to documents: pure functions of the folded state."""

from __future__ import annotations

import msgspec

from domain.execution.state import Execution
from projections.executions.document import EXECUTIONS, ExecutionDocument
from projections.labels import label_pair
from projections.store import Delete, Upsert


def document_of(execution: Execution, task_sequence: int) -> ExecutionDocument:
    """Return the document of an execution.

    Args:
        execution: the fold of its stream.
        task_sequence: sequence of the last step that changed a task run; 0 when there is none.
    """
    state, trigger = execution.state, execution.trigger
    starter = None if trigger is None else trigger.variables.get("executionId")
    words = [execution.id, execution.namespace, execution.flow_id]
    pairs = []
    for label in execution.labels:
        pairs.append(label_pair(label.key, label.value))
        words += [label.key, label.value]
    return ExecutionDocument(
        id=execution.id,
        tenant=execution.tenant,
        namespace=execution.namespace,
        flow_id=execution.flow_id,
        flow_key=f"{execution.namespace}/{execution.flow_id}",
        flow_revision=execution.flow_revision,
        state=state.current.value,
        start_date=state.start_date,
        end_date=state.end_date,
        duration=state.duration_ms,
        original_id=execution.original_id,
        parent_id=execution.parent_id,
        trigger_id=None if trigger is None else trigger.id,
        trigger_execution_id=starter if isinstance(starter, str) else None,
        kind=None if execution.kind == "NORMAL" else execution.kind,
        label_pairs=pairs,
        text=" ".join(words),
        sequence=execution.sequence,
        task_run_count=len(execution.task_runs),
        task_sequence=task_sequence,
        body=msgspec.structs.replace(
            execution,
            task_runs={},
            timers={},
            command_ids=[],
            lost_ids=[],
            children={},
            passed_breakpoints=[],
        ),
    )


def write_of(execution: Execution, task_sequence: int) -> Upsert | Delete:
    """Return what brings the index up to an execution's state."""
    if execution.deleted:
        return Delete(EXECUTIONS, execution.id, execution.sequence)
    document = document_of(execution, task_sequence)
    return Upsert(EXECUTIONS, execution.id, execution.sequence, document)
