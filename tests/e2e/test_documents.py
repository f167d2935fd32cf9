"""Every command and every example of the documents, typed as a reader types them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest

from duebook_devstack.redis import Redis
from support import servers
from support.documents import DOCUMENTS, ROOT, blocks, is_run, platform_settings, task_modules
from support.fleet import Platform
from support.load import launch
from support.reader import Reader

EXAMPLES = ROOT / "examples"  # these have a test of their own
READ = [
    document
    for document in DOCUMENTS
    if any(is_run(block) for block in blocks(document)) and not document.is_relative_to(EXAMPLES)
]
ALONE = [document for document in READ if platform_settings(document)]
TOGETHER = [document for document in READ if document not in ALONE]


def name_of(document: Path) -> str:
    return str(document.relative_to(ROOT))


@pytest.fixture(scope="module")
def modules() -> Path:
    """A directory with the modules of tasks that readers write."""
    directory = servers.private_path()
    for name, text in task_modules().items():
        (directory / name).write_text(text, encoding="utf-8")
    return directory


@contextmanager
def running(
    postgres: servers.ServerInfo, redis: Redis, modules: Path, settings: Mapping[str, str]
) -> Iterator[Platform]:
    """Api, scheduler and an executor that knows the readers' tasks, on a database of their own."""
    with servers.database(postgres) as database, servers.vhost(f"test-{uuid4().hex}") as broker:
        environment = {
            "DUEBOOK_POSTGRES_URL": database,
            "DUEBOOK_RABBITMQ_URL": broker,
            "DUEBOOK_REDIS_URL": redis.url,
            "DUEBOOK_TASKS": ",".join(Path(name).stem for name in task_modules() if not name.startswith("test_")),
            "PYTHONPATH": str(modules),
            "TABLES_URL": database,
        }
        with Platform({**environment, **settings}) as platform:
            launch(platform, api=1, scheduler=1, executor=1)
            yield platform


Start = Callable[[Mapping[str, str]], AbstractContextManager[Platform]]


@pytest.fixture(scope="module")
def start(_postgres: servers.ServerInfo, _redis: Redis, modules: Path) -> Start:
    return partial(running, _postgres, _redis, modules)


@pytest.fixture(scope="module")
def shared(start: Start) -> Iterator[Platform]:
    with start({}) as platform:
        yield platform


def read(document: Path, platform: Platform, new_database: str) -> None:
    reader = Reader(platform, servers.private_path(), {"NEW_POSTGRES_URL": new_database})
    for block in blocks(document):
        reader.read(block)


@pytest.mark.parametrize("document", TOGETHER, ids=name_of)
def test_what_a_document_says_can_be_done(document: Path, shared: Platform, empty_postgres_url: str) -> None:
    read(document, shared, empty_postgres_url)


@pytest.mark.parametrize("document", ALONE, ids=name_of)
def test_what_a_document_says_of_other_settings_can_be_done(
    document: Path, start: Start, empty_postgres_url: str
) -> None:
    with start(platform_settings(document)) as platform:
        read(document, platform, empty_postgres_url)
