"""The types of the client have every field that the API answers or takes."""

from typing import Any, get_type_hints

import pytest
from pydantic import BaseModel

from duebook.client import models
from duebook.client.fields import JobFields
from duebook_api.jobs.job_list import JobQuery
from duebook_api.schemas import answers
from duebook_api.schemas.bodies import JobBody
from support.client_answers import JOB

_ANSWERS: list[tuple[type[BaseModel], type[BaseModel]]] = [
    (models.Job, answers.Job),
    (models.Run, answers.RunWithPayload),
    (models.DeadLetter, answers.DeadLetter),
    (models.Group, answers.Group),
    (models.RedriveSummary, answers.RedriveSummary),
    (models.Event, answers.Event),
    (models.LogEntry, answers.LogEntry),
    (models.LedgerEntry, answers.LedgerEntry),
    (models.Because, answers.Because),
    (models.Why, answers.Why),
]


@pytest.mark.parametrize(("ours", "theirs"), _ANSWERS)
def test_a_model_has_every_field_of_the_answer(ours: type[BaseModel], theirs: type[BaseModel]) -> None:
    assert set(theirs.model_fields) - set(ours.model_fields) == set()


@pytest.mark.parametrize("page", [(models.Ledger, answers.Ledger), (models.Feed, answers.Feed)])
def test_a_page_has_every_field_of_the_answer(page: tuple[type[BaseModel], type[BaseModel]]) -> None:
    assert set(page[1].model_fields) - set(page[0].model_fields) == set()


def test_every_field_of_a_job_is_an_argument() -> None:
    assert set(JobBody.model_fields) - {"name"} - set(get_type_hints(JobFields)) == set()


def test_a_field_of_a_later_server_is_kept() -> None:
    job: Any = models.Job.model_validate(JOB | {"colour": "red"})
    assert job.colour == "red"
    assert (job.timeout.total_seconds(), job.scheduled_at.utcoffset().total_seconds()) == (300, 0)


def test_the_filters_have_names_that_the_api_has() -> None:
    from duebook.client.fields import DeadLetterFilters, JobFilters, RunFilters, query_of
    from duebook_api.runs.dead_letters import DeadLetterQuery
    from duebook_api.runs.run_list import RunQuery

    for filters, query in ((JobFilters, JobQuery), (RunFilters, RunQuery), (DeadLetterFilters, DeadLetterQuery)):
        named = query_of(dict.fromkeys(get_type_hints(filters), "x"))
        assert set(named) <= set(query.model_fields)
    assert "key" in get_type_hints(JobFilters)
