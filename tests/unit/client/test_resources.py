"""Resources are opened once, in the order of their needs, handed to tasks by type, and closed in reverse."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any

import pytest

from duebook.errors import TaskError
from duebook.open_resources import OpenResources, ResourceFailed
from duebook.resources import Resource, ResourceRegistry
from duebook.tasks import Task
from support.executions import CONTEXT


class Config(dict[str, int]): ...


class Pool:
    def __init__(self, config: Config) -> None:
        self.config = config


class Opened:
    """Resources that note when they open and close."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def config(self) -> Iterator[Config]:
        self.notes.append("open config")
        yield Config()
        self.notes.append("close config")

    async def pool(self, config: Config) -> AsyncIterator[Pool]:
        self.notes.append("open pool")
        yield Pool(config)
        self.notes.append("close pool")


def registry(*functions: Callable[..., Any]) -> ResourceRegistry:
    made = ResourceRegistry()
    for each in functions:
        made.add(Resource.of(each))
    return made


async def test_each_is_opened_once_after_what_it_needs_and_closed_in_reverse() -> None:
    opened = Opened()
    resources = OpenResources(registry(opened.pool, opened.config))
    first, second = await asyncio.gather(resources.get([Pool]), resources.get([Pool, Config]))
    assert first[Pool] is second[Pool]
    assert first[Pool].config is second[Config]
    assert resources.values([Pool]) == first
    await resources.close()
    assert opened.notes == ["open config", "open pool", "close pool", "close config"]


async def test_a_value_that_is_given_replaces_a_resource_and_what_it_needs() -> None:
    opened, fake = Opened(), Pool(Config())
    resources = OpenResources(registry(opened.pool, opened.config), {Pool: fake})
    assert (await resources.get([Pool]))[Pool] is fake
    await resources.close()
    assert opened.notes == []


def takes_resources(payload: int, pool: Pool, config: Config) -> None: ...
def only_resource(pool: Pool) -> None: ...


def test_a_task_gets_resources_by_the_type_of_its_parameters() -> None:
    opened = Opened()
    known = registry(opened.pool, opened.config)
    task = Task.of("t", takes_resources, resources=known)
    values = {Pool: Pool(Config()), Config: Config()}
    assert task.resources == (Pool, Config)
    assert task.arguments(1, CONTEXT, values) == (1, values[Pool], values[Config])
    task = Task.of("t", only_resource, resources=known)
    assert task.arguments({"any": "payload"}, CONTEXT, values) == (values[Pool],)
    assert task.json_schema() == {}


async def broken() -> AsyncIterator[Pool]:
    raise ConnectionRefusedError("no server")
    yield


async def test_one_that_cannot_open_names_file_line_and_cause_and_is_tried_again() -> None:
    resources = OpenResources(registry(broken))
    for _ in range(2):
        with pytest.raises(ResourceFailed, match=r"broken \(.*test_resources.py:\d+\) cannot be opened: Connection"):
            await resources.get([Pool])
    await resources.close()


async def stubborn() -> AsyncIterator[Pool]:
    yield Pool(Config())
    raise ValueError("cannot close")


async def test_one_that_cannot_close_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    opened = Opened()
    resources = OpenResources(registry(opened.config, stubborn))
    await resources.get([Config, Pool])
    await resources.close()
    assert opened.notes[-1] == "close config"
    assert "cannot close" in caplog.text


def no_generator() -> Pool: ...  # type: ignore[empty-body]
async def no_type():  # type: ignore[no-untyped-def] # noqa: ANN201
    yield 1


async def wrong_type() -> Iterator[Pool]:  # type: ignore[misc]
    yield Pool(Config())


async def untyped_need(config) -> AsyncIterator[Pool]:  # type: ignore[no-untyped-def] # noqa: ANN001
    yield Pool(config)


def keyword_need(*, config: Config) -> Iterator[Pool]:
    yield Pool(config)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (no_generator, "must be a generator"),
        (no_type, r"must say what it yields: write `-> AsyncIterator\[Pool\]`"),
        (wrong_type, "must say what it yields"),
        (untyped_need, "the parameter config needs the type of a resource"),
        (keyword_need, "the parameter config must be positional"),
    ],
)
def test_a_function_that_is_no_resource_is_refused(function: Any, message: str) -> None:
    with pytest.raises(TaskError, match=rf"test_resources.py:\d+: resource \w+:? {message}"):
        Resource.of(function)


def test_two_resources_of_one_type_are_refused_unless_annotated() -> None:
    def primary() -> Iterator[Annotated[Config, "primary"]]:
        yield Config()

    def second() -> Iterator[Config]:
        yield Config()

    opened = Opened()
    with pytest.raises(TaskError, match=r"second: Config is the type of two resources; the other is .*config \("):
        registry(opened.config, second)
    assert len(registry(opened.config, primary).types()) == 2


def test_a_missing_need_and_a_circle_are_refused() -> None:
    def one(pool: Pool) -> Iterator[Config]:
        yield Config()

    def two(config: Config) -> Iterator[Pool]:
        yield Pool(config)

    with pytest.raises(TaskError, match=r"test_resources.py:\d+: two: no @resource yields Config"):
        registry(two).closure([Pool])
    with pytest.raises(TaskError, match="resources need one another: two needs one needs two"):
        registry(one, two).closure([Pool])
