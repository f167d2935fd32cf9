"""Statistics as answers have them."""

from collections.abc import Sequence
from typing import Any

from duebook_common.domain.statistics import Measure, Rollup, quantile


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
    return {f"p{share}": quantile(histogram, share / 100) for share in (50, 95, 99)}
