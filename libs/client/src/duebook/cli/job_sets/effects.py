"""What a plan does to the schedule: the changes to forecast, and what two forecasts differ in. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from duebook.cli.job_sets.plan import Action, Plan, Step

# Fields on which no forecast depends; payloads may be large.
_IRRELEVANT = {"payload", "metadata", "notify", "name", "tags", "key", "then", "rate"}


def changes_of(plan: Plan) -> list[dict[str, Any]]:
    """The changes as a forecast takes them; none for steps that leave the schedule as it is."""
    return [change for step in plan.steps for change in _change(step)]


def _change(step: Step) -> Iterator[dict[str, Any]]:
    match step.action:
        case Action.CREATE:
            yield {"create": {"name": step.name, **_relevant(step.planned)}}
        case Action.DELETE:
            assert step.current is not None
            yield {"delete": step.current["id"]}
        case Action.CHANGE:
            assert step.current is not None
            if patch := _patch(_relevant(step.current), _relevant(step.planned)):
                yield {"job_id": step.current["id"], "patch": patch}


def _relevant(job: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (job or {}).items() if name not in _IRRELEVANT}


def _patch(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that differ. Objects of a definition have all their members, so a merge patch replaces them whole."""
    return {name: value for name, value in after.items() if before.get(name) != value}


def effect(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """What differs between two forecasts of the same time, the second one with the changes of a plan."""
    return {
        "from": after["from"],
        "to": after["to"],
        "added": after["added"],
        "removed": after["removed"],
        "peaks": _peaks(before["queues"], after["queues"]),
        "clock_changes": [each for each in after["clock_changes"] if each["jobs_hit"]],
    }


def _peaks(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The queues whose highest number of runs at once differs."""
    old, new = ({queue["queue"]: queue["peak"]["mean"] for queue in queues} for queues in (before, after))
    none = {"runs": 0, "at": None}
    pairs = ((name, old.get(name, none), new.get(name, none)) for name in dict.fromkeys([*old, *new]))
    return [
        {"queue": name, "before": was["runs"], "after": will["runs"], "at": will["at"] or was["at"]}
        for name, was, will in pairs
        if was["runs"] != will["runs"]
    ]
