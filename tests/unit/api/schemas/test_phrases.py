"""How explanations write times, numbers and names."""

from datetime import UTC, datetime, timedelta

import pytest

from duebook_api.schemas import phrases


def test_a_time_is_written_in_utc_and_in_local_time() -> None:
    time = datetime(2026, 3, 29, 23, 30, tzinfo=UTC)
    assert phrases.exact_time(time) == "2026-03-29T23:30:00Z"
    assert phrases.exact_time(time, "Europe/Berlin") == "2026-03-29T23:30:00Z (2026-03-30 01:30 in Europe/Berlin)"
    assert phrases.exact_time(time + timedelta(microseconds=500)) == "2026-03-29T23:30:00.0005Z"
    assert phrases.event_time(time + timedelta(microseconds=500)) == "2026-03-29T23:30:00Z"


def test_ordinals_are_words_up_to_the_fifth() -> None:
    numbers = (1, 2, 5, 6, 11, 21, 22, 103, 112)
    assert [phrases.ordinal(n) for n in numbers] == [
        "first", "second", "fifth", "6th", "11th", "21st", "22nd", "103rd", "112th",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("actor", "name"),
    [
        ("anonymous", "a client without an API key"),
        ("key:ops", "API key “ops”"),
        ("scheduler host-1", "the scheduler"),
        ("executor host/1", "the executor"),
        ("duebook rebuild", "“duebook rebuild”"),
    ],
)
def test_an_actor_has_a_name(actor: str, name: str) -> None:
    assert phrases.actor_name(actor) == name


def test_quoted_text_is_on_one_line_and_has_a_limit() -> None:
    assert phrases.quoted("boom\n\x1b[31m  twice") == "“boom [31m twice”"
    assert len(phrases.quoted("x" * 5000)) == 303
