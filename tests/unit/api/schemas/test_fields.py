"""A field of a job or a run exists everywhere or nowhere: in the domain, the request, the answer and its schema."""

from dataclasses import fields, replace

from duebook_api.schemas import answers, views
from duebook_api.schemas.bodies import JobBody
from duebook_api.schemas.schedules import PreviewBody, ScheduleFields
from duebook_common.domain.definition import Definition
from support.samples import NOW, RUN_ID, a_definition, a_job, a_run

DEFINITION = [field.name for field in fields(Definition) if field.compare]


def test_a_request_has_each_field_of_a_definition() -> None:
    assert set(JobBody.model_fields) == set(DEFINITION)


def test_a_preview_takes_the_schedule_fields_of_a_job() -> None:
    schedule = set(ScheduleFields.model_fields)
    assert schedule < set(DEFINITION)
    assert set(PreviewBody.model_fields) - schedule == {"after", "count"}


def test_a_view_has_each_field_of_a_definition_in_its_order() -> None:
    assert list(views.definition(a_definition())) == DEFINITION


def test_the_view_of_a_job_has_the_fields_of_its_answer_in_their_order() -> None:
    view = views.job(replace(a_job(), reason="maintenance", held=True, erased_at=NOW), {})
    assert list(view) == list(answers.Job.model_fields)


def test_the_view_of_a_run_has_the_fields_of_its_answer_in_their_order() -> None:
    view = views.run(replace(a_run(), reason="overlap", cause=RUN_ID, erased_at=NOW))
    assert list(view) == list(answers.Run.model_fields)
