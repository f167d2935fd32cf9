"""What the task API accepts as a task, and how a task reads its payload."""

import asyncio
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict

import duebook
from duebook import tasks
from duebook.context import Context
from duebook.errors import Fail, RetryAfter, TaskError
from duebook.modules import load
from duebook.tasks import Registry, Task


class Report(BaseModel):
    region: str
    days: list[int] = []


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)

    day: date


CONTEXT = Context(
    run_id=UUID(int=1),
    job_id=UUID(int=2),
    attempt=1,
    nominal_at=datetime(2026, 1, 1, tzinfo=UTC),
    idempotency_key="k",
)


def test_a_decorated_function_is_registered_and_can_still_be_called() -> None:
    registry = Registry()

    @registry.task("reports.nightly")
    async def nightly(report: Report, context: Context) -> str:
        return f"{report.region} {context.attempt}"

    found = registry.registered()["reports.nightly"]
    assert found.function is nightly.function
    assert (nightly.name, nightly.__name__) == ("reports.nightly", "nightly")
    assert asyncio.run(nightly(Report(region="eu"), CONTEXT)) == "eu 1"
    assert found.is_async
    assert not found.inline
    assert found.json_schema()["required"] == ["region"]
    assert found.arguments({"region": "eu"}, CONTEXT) == (Report(region="eu"), CONTEXT)


def typed_any(payload: Any) -> None: ...
def bare(payload): ...  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
def bare_context(payload, context): ...  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
def nothing() -> None: ...
def only_context(context: Context) -> None: ...
def defaults(payload: Any, context: Context, more: int = 1, *args: int, **rest: int) -> None: ...


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (typed_any, ([1],)),
        (bare, ([1],)),
        (bare_context, ([1], CONTEXT)),
        (nothing, ()),
        (only_context, (CONTEXT,)),
        (defaults, ([1], CONTEXT)),
        (lambda payload: payload, ([1],)),
    ],
)
def test_a_function_without_a_payload_type_takes_the_json_value(function: Any, arguments: tuple[Any]) -> None:
    task = Task.of("t", function)
    assert task.arguments([1], CONTEXT) == arguments
    assert task.json_schema() == {}
    assert not task.is_async


def takes_dict(payload: dict[str, Any]) -> None: ...


def test_a_dict_payload_must_be_an_object() -> None:
    task = Task.of("t", takes_dict)
    assert task.validate({"a": 1}) == {"a": 1}
    with pytest.raises(Fail, match="the payload itself: "):
        task.validate([1])


def takes_report(payload: Report) -> None: ...


def test_an_invalid_payload_fails_for_good_and_names_each_fault() -> None:
    with pytest.raises(Fail) as failed:
        Task.of("reports.nightly", takes_report).validate({"days": [1, "secret"]})
    assert failed.value.retry is False
    assert str(failed.value) == (
        "payload does not fit task reports.nightly: /region: Field required; "
        "/days/1: Input should be a valid integer, unable to parse string as an integer"
    )
    assert "'secret'" not in "".join(traceback.format_exception(failed.value))


def test_pointers_are_escaped_and_long_lists_of_faults_are_cut() -> None:
    def takes(payload: dict[str, int]) -> None: ...

    task = Task.of("t", takes)
    with pytest.raises(Fail, match="/a~1b~0c: "):
        task.validate({"a/b~c": "x"})
    with pytest.raises(Fail, match=r"; and 5 more$"):
        task.validate({str(i): "x" for i in range(15)})


def test_a_payload_is_read_as_json() -> None:
    def takes(payload: Strict) -> None: ...

    task = Task.of("t", takes)
    assert task.validate({"day": "2026-01-01"}) == Strict(day=date(2026, 1, 1))
    with pytest.raises(Fail, match="is not JSON"):
        task.validate({"day": object()})


@pytest.mark.parametrize("name", ["", "A", ".x", "-x", "a b", "x\n", "x" * 101, "ä"])
def test_an_invalid_name_is_refused(name: str) -> None:
    with pytest.raises(TaskError, match="does not match"):
        Registry().task(name)(nothing)


@pytest.mark.parametrize("name", ["a", "0", "reports.nightly", "a_b-c.d", "x" * 100])
def test_a_valid_name_is_accepted(name: str) -> None:
    Registry().task(name)(nothing)


def generator() -> Iterator[int]:
    yield 1


def second_is_not_context(payload: Any, report: Report) -> None: ...
def two_contexts(one: Context, two: Context) -> None: ...
def third(payload: Any, context: Context, more: int) -> None: ...
def keyword(payload: Any, *, more: int) -> None: ...
def unknown(payload: "Nowhere") -> None: ...  # type: ignore[name-defined] # noqa: F821
def no_schema(payload: Registry) -> None: ...
def no_json(payload: Callable[[], int]) -> None: ...
async def async_generator() -> Any:
    yield 1


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (generator, "not a plain function"),
        (async_generator, "async generator"),
        (Report, "not a plain function"),
        (
            second_is_not_context,
            "the parameter report takes Report, which no @resource yields",
        ),
        (two_contexts, "first parameter takes the payload"),
        (third, "the parameter more takes int, which no @resource yields"),
        (keyword, r"the parameter more stands behind the `\*`"),
        (unknown, "annotation cannot be read: name 'Nowhere'"),
        (no_schema, "has no JSON Schema"),
        (no_json, "has no JSON Schema"),
    ],
)
def test_a_function_that_cannot_be_called_is_refused(function: Any, message: str) -> None:
    with pytest.raises(TaskError, match=message):
        Task.of("t", function)


def test_a_missing_name_is_explained() -> None:
    with pytest.raises(TaskError, match=r'write @task\("reports.nightly"\)'):
        duebook.task(nothing)  # type: ignore[arg-type]


def test_a_name_is_registered_once() -> None:
    registry = Registry([Task.of("t", nothing, inline=True)])
    with pytest.raises(
        TaskError,
        match=r"py:\d+: task t is registered twice: .*nothing \(.*py:\d+\) and .*only_context",
    ):
        registry.task("t")(only_context)
    assert registry.registered()["t"].function is nothing


def test_the_registered_tasks_cannot_be_changed_from_outside() -> None:
    with pytest.raises(TypeError):
        Registry().registered()["t"] = Task.of("t", nothing)  # type: ignore[index]


def test_modules_are_loaded_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "_USER_TASKS", Registry())
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "duebook_test_good.py").write_text(
        "from duebook import task\n@task('from.module')\ndef f(payload): return payload\n"
    )
    load([" duebook_test_good ", ""])
    assert list(tasks.registered()) == ["from.module"]


def test_a_module_that_cannot_be_loaded_is_named_on_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "duebook_test_bad.py").write_text("raise ValueError('two\\nlines')\n")
    with pytest.raises(TaskError) as bad:
        load(["duebook_test_bad"])
    assert str(bad.value).startswith("cannot import the task module duebook_test_bad: ")
    assert str(bad.value).endswith("duebook_test_bad.py:1: ValueError: two lines")
    (tmp_path / "duebook_test_package").mkdir()
    for name in ("duebook_test_absent", "duebook_test_absent.tasks", "duebook_test_package.absent.tasks"):
        with pytest.raises(TaskError, match=rf"module {name}: ModuleNotFoundError.*; it must lie in /.* PYTHONPATH"):
            load([name])
    (tmp_path / "duebook_test_importing.py").write_text("import duebook_test_absent\n")
    with pytest.raises(TaskError, match=r"No module named 'duebook_test_absent'$"):
        load(["duebook_test_importing"])


@pytest.mark.parametrize("delay", [timedelta(seconds=90), 90, 90.0])
def test_retry_after_takes_a_duration_or_seconds(delay: timedelta | float) -> None:
    assert RetryAfter(delay).delay == timedelta(seconds=90)
    assert str(RetryAfter(delay)) == "the task requested a retry after 90 s"
    assert str(RetryAfter(delay, "busy")) == "busy"


@pytest.mark.parametrize("delay", [-1, timedelta(microseconds=-1), float("nan"), float("inf"), 1e20])
def test_retry_after_refuses_an_invalid_delay(delay: timedelta | float) -> None:
    with pytest.raises(ValueError, match="a delay must be"):
        RetryAfter(delay)


def test_fail_allows_a_retry_by_default() -> None:
    assert Fail("x").retry is True
    assert Fail("x", retry=False).retry is False
    assert str(Fail("x")) == "x"


def test_users_import_the_api_from_duebook() -> None:
    assert (duebook.task, duebook.Fail) == (tasks.task, Fail)
    assert (duebook.RetryAfter, duebook.Context) == (RetryAfter, Context)


def test_importing_the_api_registers_nothing() -> None:
    code = "from duebook.tasks import registered; assert not registered()"
    subprocess.run([sys.executable, "-c", code], check=True)
