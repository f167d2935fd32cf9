"""What tests wait for."""

from typing import Any

from support.fleet import eventually


def test_nothing_and_an_empty_answer_are_no_fact_yet() -> None:
    answers: list[Any] = [None, False, [], {}, "", ["a run"]]
    assert eventually(lambda: answers.pop(0)) == ["a run"]


def test_an_exit_code_of_zero_is_a_fact() -> None:
    assert eventually(lambda: 0) == 0
