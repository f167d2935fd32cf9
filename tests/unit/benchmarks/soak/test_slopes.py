"""A series that grows has a slope, and a saw that follows the periods has none."""

import random

import pytest

from benchmarks.soak.slopes import block_means, slope

PERIOD = 240.0
AT = [15.0 * n for n in range(1, 241)]  # an hour


def noise(seed: int) -> list[float]:
    chance = random.Random(seed)
    return [chance.gauss(0, 3) for _ in AT]


@pytest.mark.parametrize("seed", range(5))
def test_a_saw_has_no_slope(seed: int) -> None:
    values = [100 + 20 * (at % PERIOD) / PERIOD + more for at, more in zip(AT, noise(seed), strict=True)]
    found = slope(block_means(AT, values, 4 * PERIOD, PERIOD))
    assert found is not None
    assert found.mean == pytest.approx(110, abs=2)
    assert not found.found


def test_growth_is_found_with_its_rate() -> None:
    values = [100 + 30 * at / 3600 + more for at, more in zip(AT, noise(1), strict=True)]
    found = slope(block_means(AT, values, 4 * PERIOD, PERIOD))
    assert found is not None
    assert found.found
    assert found.per_hour == pytest.approx(30, abs=3 * found.uncertainty)


def test_growth_of_less_than_a_hundredth_is_no_slope() -> None:
    found = slope([(at, 100 + 0.9 * at / 3600) for at in range(0, 3600, 240)])
    assert found is not None
    assert not found.found
    assert found.uncertainty < 1e-9


def test_a_slope_needs_four_blocks() -> None:
    assert slope([(0.0, 1.0), (1.0, 2.0), (2.0, 3.0)]) is None
    assert block_means([], [], 0, 1) == []
    assert len(block_means([1, 2, 3, 4, 5], [1] * 5, 0, 2)) == 3
