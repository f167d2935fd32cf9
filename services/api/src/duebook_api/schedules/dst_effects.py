"""What a DST transition does to the times of a schedule."""

from dataclasses import replace
from datetime import timedelta
from typing import Literal

from duebook_common.domain.definition import Definition, Dst, Every
from duebook_common.domain.schedule.dst import Transition
from duebook_common.domain.schedule.nominal import count_between
from duebook_common.domain.schedule.times import shifted

_NEAR = timedelta(hours=26)  # more than the longest gap or fold, less than the time between two transitions
_FOLD = {"first": "runs the first time", "second": "runs the second time", "both": "runs both times"}


def keeps_local_time(definition: Definition) -> bool:
    """Whether the recurrence is in local time, so that transitions can affect it; an interval is in real time."""
    return definition.recurrence != "none" and not isinstance(definition.recurrence, Every)


def affected(definition: Definition, transition: Transition) -> Literal["gap", "fold"] | None:
    """Whether the transition skips (`gap`) or repeats (`fold`) a local time of the schedule.

    It does if the number of nominal times near it depends on the DST policy.
    """
    without = _count_near(definition, transition, Dst("skip", "first"))
    if transition.is_gap:
        return "gap" if _count_near(definition, transition, Dst("run_after", "first")) != without else None
    return "fold" if _count_near(definition, transition, Dst("skip", "both")) != without else None


def fold_text(dst: Dst) -> str:
    """What the policy does with a time in a fold, such as "runs both times (dst.fold both)"."""
    return f"{_FOLD[dst.fold]} (dst.fold {dst.fold})"


def _count_near(definition: Definition, transition: Transition, dst: Dst) -> int:
    first, last = shifted(transition.at, -_NEAR), shifted(transition.at, _NEAR)
    return count_between(replace(definition, dst=dst), first, last)
