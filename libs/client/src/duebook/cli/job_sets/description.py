"""A plan in lines, as people read it."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from duebook.cli.job_sets.plan import Action, FieldChange, Plan, Step
from duebook.cli.output import one_line

_SIGNS = {Action.CREATE: "+", Action.CHANGE: "~", Action.DELETE: "-"}
_LONGEST = 200  # characters of a value
_TIMES = 5


def describe(plan: Plan) -> Iterator[str]:
    """Each step with its fields: `-` begins a line with what was, `+` one with what will be."""
    for step in plan.steps:
        yield f"{_SIGNS[step.action]} {step.action} {step.key}{_name(step)}"
        yield from (f"    {line}" for line in _fields(step))


def _name(step: Step) -> str:
    return f" ({one_line(step.name)})" if step.name != step.key else ""


def _fields(step: Step) -> Iterator[str]:
    match step.action:
        case Action.CHANGE:
            for change in step.fields:
                yield from _change(change)
        case Action.CREATE:
            assert step.job is not None
            for name, value in step.job.body.items():
                if name not in {"key", "name"}:
                    yield f"+ {one_line(name)}: {_value(value)}"
        case Action.DELETE:
            pass


def _change(change: FieldChange) -> Iterator[str]:
    if change.before is not None:
        yield f"- {one_line(change.name)}: {_value(change.before)}"
    if change.after is not None or change.before is None:
        yield f"+ {one_line(change.name)}: {_value(change.after)}"


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    line = one_line(text)
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def describe_effect(effect: Mapping[str, Any]) -> Iterator[str]:
    """What the plan does to the schedule until the end of the forecast."""
    yield f"the schedule until {effect['to']}:"
    for sign, name in (("+", "added"), ("-", "removed")):
        times = effect[name]
        if times["count"]:
            yield f"{sign} {times['count']} times {name}"
        for time in times["times"][:_TIMES]:
            yield f"    {sign} {time['nominal_at']}  {one_line(time['name'])}"
        if times["count"] > _TIMES:
            yield f"    {sign} …"
    if not effect["added"]["count"] and not effect["removed"]["count"]:
        yield "no time is added or removed"
    for peak in effect["peaks"]:
        numbers = f"{peak['after']} runs at once at most, instead of {peak['before']}"
        yield f"queue {peak['queue']}: {numbers} ({peak['at']})"
    for change in effect["clock_changes"]:
        yield f"{change['says']}; jobs affected: {change['jobs_hit']}"


def summary(plan: Plan) -> str:
    """The plan in one line."""
    parts = [f"{plan.count(action)} to {action}" for action in Action if plan.count(action)]
    return ", ".join([*parts, f"{plan.unchanged} unchanged"])


def as_json(plan: Plan, effect: Mapping[str, Any] | None) -> dict[str, Any]:
    """The plan for programs; `schedule` is null if all schedules stay as they are."""
    return {
        "steps": [
            {
                "action": step.action,
                "key": step.key,
                "name": step.name,
                "job_id": None if step.current is None else step.current["id"],
                "fields": [{"name": each.name, "before": each.before, "after": each.after} for each in step.fields],
            }
            for step in plan.steps
        ],
        "unchanged": plan.unchanged,
        "left": list(plan.left),
        "schedule": effect,
    }
