"""Which rule belongs to which task."""

from __future__ import annotations

from typing import Final

from domain.execution.flowables.approval import ApprovalRule
from domain.execution.flowables.contract import FlowableRule
from domain.execution.flowables.dag import DagRule
from domain.execution.flowables.foreach import EachRule
from domain.execution.flowables.foreach_item import ForEachItemRule, ItemsRule
from domain.execution.flowables.if_ import IfRule
from domain.execution.flowables.loop import LoopRule
from domain.execution.flowables.loop_until import LoopUntilRule
from domain.execution.flowables.parallel import ParallelRule
from domain.execution.flowables.pause import PauseRule
from domain.execution.flowables.sequential import AllowFailureRule, SequentialRule
from domain.execution.flowables.subflow import SubflowRule
from domain.execution.flowables.switch import SwitchRule
from domain.execution.flowables.working_directory import WorkingDirectoryRule
from domain.execution.plan import ItemsTask
from domain.flow import tasks as t
from domain.flow.tasks import Task

_EACH: Final = EachRule()

RULES: Final[dict[type[Task], FlowableRule]] = {
    t.Sequential: SequentialRule(),
    t.AllowFailure: AllowFailureRule(),
    t.If: IfRule(),
    t.Switch: SwitchRule(),
    t.Parallel: ParallelRule(),
    t.Dag: DagRule(),
    t.ForEach: _EACH,
    t.EachSequential: _EACH,
    t.EachParallel: _EACH,
    t.Pause: PauseRule(),
    t.Approval: ApprovalRule(),
    t.Loop: LoopRule(),
    t.LoopUntil: LoopUntilRule(),
    t.Subflow: SubflowRule(),
    t.ForEachItem: ForEachItemRule(),
    ItemsTask: ItemsRule(),
    t.WorkingDirectory: WorkingDirectoryRule(),
}
"""Rule by the Struct of the task."""
