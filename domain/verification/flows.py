"""The flows that recorded steps rest on, in the revisions that they name."""

from __future__ import annotations

from typing import TypeVar

from domain.execution import events as e
from domain.execution.commands import CreateExecution, ExecutionCommand
from domain.execution.context import FindFlow
from domain.execution.machine import missing_flow
from domain.execution.record import EventRecord
from domain.execution.state import Execution
from domain.flow.model import Flow
from domain.ports.stores import FlowHistory
from domain.record.envelope import instant_of
from domain.verification.recorded import error_of

_E = TypeVar("_E", bound=e.Event)


class RecordedFlows:
    """Every revision of the flows, as recorded."""

    def __init__(self, known: FlowHistory) -> None:
        self._known = known
        self.find: FindFlow = known.get
        """Finds the latest of a flow, or a revision of it."""

    def of(
        self, command: ExecutionCommand, state: Execution | None, recorded: EventRecord | None
    ) -> Flow | None:
        """Return the flow with which a command was stepped.

        Args:
            command: what was wanted.
            state: the execution; None when it did not exist.
            recorded: what the step wrote; None: nothing.
        """
        if state is not None:
            restarted = None if recorded is None else _first(recorded, e.ExecutionRestarted)
            again = None if restarted is None else restarted.defaults
            return self._known.get(
                state.tenant,
                state.namespace,
                state.flow_id,
                state.flow_revision,
                state.defaults if again is None else again,
            )
        if not isinstance(command, CreateExecution):
            return None
        if recorded is not None and error_of(recorded) == missing_flow(command):
            return None  # it was saved later
        made = None if recorded is None else _first(recorded, e.ExecutionCreated)
        return self._known.get(
            command.tenant,
            command.namespace,
            command.flow_id,
            command.flow_revision,
            None if made is None else made.defaults,
        )

    def finder(self, recorded: EventRecord) -> FindFlow:
        """Return what finds the flows of children: in the revisions that the record names."""
        started = {
            (event.creation.namespace, event.creation.flow_id): event.creation.flow_revision
            for event in recorded.events
            if isinstance(event, e.SubflowStarted)
        }

        def find(tenant: str, namespace: str, flow_id: str, revision: int | None) -> Flow | None:
            recorded_revision = started.get((namespace, flow_id))
            if revision is None and recorded_revision is None:
                return self._latest_at(tenant, namespace, flow_id, recorded.timestamp_ms)
            return self._known.get(tenant, namespace, flow_id, revision or recorded_revision)

        return find

    def _latest_at(self, tenant: str, namespace: str, flow_id: str, at_ms: int) -> Flow | None:
        """Return the revision that was in force at a time, for one that no event names."""
        at = instant_of(at_ms)
        known = self._known.revisions(tenant, namespace, flow_id)
        saved = [revision for revision in known if revision.updated <= at]
        if not saved or saved[-1].deleted:
            return None
        return self._known.get(tenant, namespace, flow_id, saved[-1].revision)


def _first(recorded: EventRecord, kind: type[_E]) -> _E | None:
    return next((event for event in recorded.events if isinstance(event, kind)), None)
