"""Statistics as answers have them."""

from collections.abc import Sequence
from typing import Any

from duebook_common.domain.statistics import Measure, Rollup
from duebook_common.domain.statistics import quantiles as quantiles_of


def rollup_view(rollup: Rollup) -> dict[str, Any]:
    """Counts by outcome, and quantiles of the lateness of first attempts and of the duration of attempts."""
    _, lateness, duration = rollup.measures
    return {
        "counts": rollup.counts,
        "started": sum(rollup.measures[Measure.LATENESS]),
        "lateness": quantiles(lateness),
        "duration": quantiles(duration),
    }


def quantiles(histogram: Sequence[int]) -> dict[str, float | None]:
    """In seconds; null without any."""
    p50, p95, p99 = quantiles_of(histogram, 0.5, 0.95, 0.99)
    return {"p50": p50, "p95": p95, "p99": p99}
