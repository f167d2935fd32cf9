"""What a slope shows: that a series grows, that it does not, or neither."""

import random

import pytest

from benchmarks.soak.slopes import Finding, Slope, block_means, quantile, slope

PERIOD = 240.0
AT = [15.0 * n for n in range(1, 241)]  # an hour


def noise(seed: int, size: float) -> list[float]:
    chance = random.Random(seed)
    return [chance.gauss(0, size) for _ in AT]


def found(values: list[float], series: int = 1) -> Slope:
    result = slope(block_means(AT, values, 4 * PERIOD, PERIOD), series)
    assert result is not None
    return result


def saw(seed: int, size: float) -> list[float]:
    return [100 + 20 * (at % PERIOD) / PERIOD + more for at, more in zip(AT, noise(seed, size), strict=True)]


def growth(seed: int, per_hour: float) -> list[float]:
    return [100 + per_hour * at / 3600 + more for at, more in zip(AT, noise(seed, 3), strict=True)]


@pytest.mark.parametrize("seed", range(5))
def test_a_calm_saw_is_flat(seed: int) -> None:
    assert found(saw(seed, 0.5)).mean == pytest.approx(110, abs=2)
    assert found(saw(seed, 0.5)).finding is Finding.FLAT


@pytest.mark.parametrize("seed", range(5))
def test_a_saw_too_noisy_to_show_a_hundredth_is_unclear(seed: int) -> None:
    assert found(saw(seed, 10)).finding is Finding.UNCLEAR


def test_growth_is_found_with_its_rate() -> None:
    result = found(growth(1, 30))
    assert result.finding is Finding.SLOPE
    assert result.per_hour == pytest.approx(30, abs=result.uncertainty)
    assert min(result.halves) > 0


def test_growth_of_less_than_a_hundredth_is_flat() -> None:
    result = slope([(at, 100 + 0.9 * at / 3600) for at in range(0, 3600, 240)])
    assert result is not None
    assert result.finding is Finding.FLAT
    assert result.uncertainty < 1e-9


def test_growth_that_ends_half_way_is_no_slope() -> None:
    result = found([100 + 30 * min(at, 2400) / 3600 for at in AT])
    assert abs(result.per_hour) > result.uncertainty
    assert result.halves[1] == pytest.approx(0)
    assert result.finding is Finding.UNCLEAR


def test_a_series_that_never_changes_is_flat_even_at_zero() -> None:
    assert found([0.0] * len(AT)).finding is Finding.FLAT


def test_means_that_follow_each_other_widen_the_interval() -> None:
    steps = [0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1]
    followed = slope([(240.0 * n, 100.0 + step) for n, step in enumerate(steps)])
    mixed = slope([(240.0 * n, 100.0 + n % 2) for n in range(12)])
    assert followed is not None
    assert mixed is not None
    assert followed.r > 0.3
    assert mixed.r < 0
    assert followed.uncertainty > 1.3 * mixed.uncertainty


def test_one_of_many_series_has_a_wider_interval() -> None:
    assert found(growth(1, 5), 45).uncertainty / found(growth(1, 5)).uncertainty == pytest.approx(4.71 / 2.26, rel=0.01)


def test_hardly_any_of_many_series_without_a_slope_seems_to_have_one() -> None:
    chance, wrong = random.Random(1), 0
    for _ in range(400):
        value, blocks = 0.0, []
        for n in range(11):
            value = 0.5 * value + chance.gauss(0, 1)
            blocks.append((240.0 * n, value + 0.01))
        result = slope(blocks, 45)
        wrong += result is not None and result.finding is Finding.SLOPE
    assert wrong <= 12  # 5 % of each would be 20 and more


def test_the_smallest_slope_that_could_be_found_is_at_least_the_tolerance() -> None:
    assert found(saw(1, 10)).least == found(saw(1, 10)).uncertainty > 1.1
    assert found([50.0] * len(AT)).least == 0.5


@pytest.mark.parametrize(
    ("freedom", "wrong", "t"), [(1, 0.05, 12.706), (2, 0.05, 4.303), (9, 0.05, 2.262), (10, 0.001, 4.587)]
)
def test_quantiles_are_those_of_the_tables(freedom: int, wrong: float, t: float) -> None:
    assert quantile(freedom, wrong) == pytest.approx(t, abs=0.001)


def test_a_slope_needs_four_blocks() -> None:
    assert slope([(0.0, 1.0), (1.0, 2.0), (2.0, 3.0)]) is None
    assert block_means([], [], 0, 1) == []
    assert len(block_means([1, 2, 3, 4, 5], [1] * 5, 0, 2)) == 3
