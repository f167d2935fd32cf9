"""Random stories for state machines that live on real servers: the same ones at each run, and none made shorter."""

from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test


def tell(machine: type[RuleBasedStateMachine], stories: int, steps: int, **world: Any) -> None:
    """Let the machine go through that many stories of at most that many steps, with `world` as its attributes."""
    quick = settings(
        max_examples=stories,
        stateful_step_count=steps,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(type(machine.__name__, (machine,), world), settings=quick)
