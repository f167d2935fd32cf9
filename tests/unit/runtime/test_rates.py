from datetime import timedelta

import pytest

from duebook_common.runtime.rates import Rate, parse_rate


def test_a_rate_is_a_number_in_a_duration() -> None:
    assert parse_rate("600/PT1M") == Rate(600, timedelta(minutes=1))
    assert str(Rate(600, timedelta(minutes=1))) == "600/PT1M"
    assert Rate(600, timedelta(minutes=1)).per_second == 10
    assert parse_rate("off") is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("600", "write it like 600/PT1M"),
        ("600/minute", "is not a duration"),
        ("x/PT1M", "write it like 600/PT1M"),
        ("0/PT1M", "1 or more"),
        ("-1/PT1M", "write it like 600/PT1M"),
        ("10/PT0S", "from PT1S to P1D"),
        ("10/PT1.5S", "whole seconds"),
        ("10/P2D", "from PT1S to P1D"),
        ("9999999999/PT1S", "write it like 600/PT1M"),
    ],
)
def test_another_text_is_refused_with_the_remedy(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_rate(text)
