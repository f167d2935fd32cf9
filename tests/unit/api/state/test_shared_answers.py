"""Many viewers ask, one question is put; what one viewer does hurts no other."""

import asyncio

import pytest

from duebook_api.state.shared_answers import SharedAnswers


class Question:
    """Counts how often it is put, and answers when it may."""

    def __init__(self) -> None:
        self.count, self.may_answer = 0, asyncio.Event()

    async def __call__(self) -> int:
        self.count += 1
        await self.may_answer.wait()
        return self.count


async def test_all_callers_at_once_share_one_question() -> None:
    answers, question = SharedAnswers(), Question()
    viewers = [asyncio.create_task(answers.read("overview", question)) for _ in range(50)]
    await asyncio.sleep(0)
    question.may_answer.set()
    assert await asyncio.gather(*viewers) == [1] * 50
    assert await answers.read("overview", question) == 1


async def test_what_is_shown_differently_is_computed_by_itself() -> None:
    answers, question = SharedAnswers(), Question()
    question.may_answer.set()
    assert [await answers.read(key, question) for key in ("a", "b", "a")] == [1, 2, 1]


async def test_an_old_answer_is_computed_again() -> None:
    answers, question = SharedAnswers(age=0), Question()
    question.may_answer.set()
    assert [await answers.read("a", question) for _ in range(3)] == [1, 2, 3]


async def test_a_viewer_who_leaves_does_not_end_what_others_wait_for() -> None:
    answers, question = SharedAnswers(), Question()
    leaving, staying = (asyncio.create_task(answers.read("a", question)) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    question.may_answer.set()
    assert await staying == 1


async def test_an_error_reaches_all_who_wait_and_is_not_kept() -> None:
    answers, question = SharedAnswers(), Question()

    async def broken() -> int:
        raise OSError

    for _ in range(2):
        with pytest.raises(OSError):
            await answers.read("a", broken)
    question.may_answer.set()
    assert await answers.read("a", question) == 1


async def test_an_answer_that_is_old_is_forgotten() -> None:
    answers, question = SharedAnswers(age=0), Question()
    question.may_answer.set()
    await answers.read("a", question)
    async with asyncio.timeout(10):
        while len(answers):
            await asyncio.sleep(0)


async def test_no_number_of_different_questions_fills_the_memory() -> None:
    answers, question = SharedAnswers(most=3), Question()
    question.may_answer.set()
    for n in range(100):
        await answers.read(n, question)
    assert len(answers) == 3
    assert await answers.read(99, question) == 100
