import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from typer.main import get_command

from duebook.cli.app import app
from duebook_api.bulk.operations import BulkQuery
from duebook_api.console.pages.copies import command, curl, options
from duebook_api.events.filters import EventQuery
from duebook_api.http.paging import PageQuery
from duebook_api.installation.executors import ExecutorQuery
from duebook_api.jobs.job_list import JobQuery
from duebook_api.keys.audit import AuditQuery
from duebook_api.mails.routes import NotificationQuery
from duebook_api.runs.dead_letters import DeadLetterQuery
from duebook_api.runs.run_list import RunQuery

LISTS = (
    (("job", "list"), JobQuery),
    (("run", "list"), RunQuery),
    (("dead-letter", "groups"), DeadLetterQuery),
    (("executor", "list"), ExecutorQuery),
    (("queue", "list"), PageQuery),
    (("mail", "list"), NotificationQuery),
    (("bulk", "list"), BulkQuery),
    (("events", "tail"), EventQuery),
    (("audit",), AuditQuery),
)


def test_a_request_reads_its_key_from_the_environment() -> None:
    text = curl("http://h/api/job/1/pause", "POST", {"reason": "it's late"})
    assert '"Authorization: Bearer $DUEBOOK_API_KEY"' in text
    assert shlex.split(text)[-2:] == ['{"reason":"it\'s late"}', "http://h/api/job/1/pause"]


def test_without_keys_a_request_names_none() -> None:
    assert curl("http://h/api/job", needs_key=False) == "curl -sS http://h/api/job"


@given(st.lists(st.text(min_size=1).filter(lambda text: "\0" not in text)))
def test_a_command_line_is_read_by_a_shell_as_the_same_words(words: list[str]) -> None:
    assert shlex.split(command(*words)) == ["duebook", *words]


@pytest.mark.parametrize(("words", "query"), LISTS, ids=[" ".join(words) for words, _ in LISTS])
def test_the_command_line_knows_each_filter_of_a_list(words: tuple[str, ...], query: type[BaseModel]) -> None:
    values = dict.fromkeys(query.model_fields, "x")
    known = {option for parameter in _command(words).params for option in parameter.opts}
    assert {word for word in options(values) if word.startswith("--")} <= known


def test_several_values_repeat_their_option_and_a_flag_has_none() -> None:
    at = datetime(2026, 11, 26, 2, tzinfo=UTC)
    filters = {"status": ("paused", "active"), "q": "a b", "all": True, "tag": None, "due_from": at, "limit": 50}
    assert command("run", "list", *options(filters)) == (
        "duebook run list --status paused --status active --text 'a b' --all --due-from 2026-11-26T02:00:00+00:00"
    )


def _command(words: Sequence[str]) -> Any:
    found: Any = get_command(app)
    for word in words:
        found = found.commands[word]
    return found
