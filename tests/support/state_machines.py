"""Hypothesis state machines that run on real servers: the same examples at each run, without shrinking."""

from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test


def run_state_machine(machine: type[RuleBasedStateMachine], examples: int, steps: int, **attributes: Any) -> None:
    """Run the machine on this many examples of at most this many steps, with `attributes` set on its class."""
    profile = settings(
        max_examples=examples,
        stateful_step_count=steps,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(type(machine.__name__, (machine,), attributes), settings=profile)  # type: ignore[no-untyped-call]
