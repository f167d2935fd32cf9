"""What a task says is kept within bounds, from any thread, until its attempt ends."""

import threading
import time

import pytest

from duebook.context import Context, Progress
from duebook_executor import notes
from duebook_executor.notes import Notes
from support.attempts import an_assignment
from support.executions import context_with
from support.samples import NOW


@pytest.fixture
def sink() -> Notes:
    return Notes(an_assignment().run, lambda: NOW)


def messages(sink: Notes) -> list[str]:
    return [line.message for line in sink.lines]


def test_a_line_has_its_level_and_fields_and_belongs_to_the_attempt(sink: Notes) -> None:
    context_with(sink).log("imported", level="warning", rows=3)
    (line,) = sink.lines
    assert (line.message, line.level, line.fields, line.logged_at) == ("imported", "warning", {"rows": 3}, NOW)


def test_waiting_lines_are_bounded_and_the_last_line_counts_the_rest(sink: Notes) -> None:
    for n in range(notes.MOST_UNWRITTEN + 5):
        context_with(sink).log(n)
    sink.finish()
    assert len(sink.lines) == notes.MOST_UNWRITTEN + 1
    assert sink.lines[-1].level == "warning"
    assert sink.lines[-1].message.startswith("5 log lines were dropped: an attempt has at most 10,000 lines and 4 MiB")


@pytest.mark.parametrize(("limit", "value"), [("MOST_LINES", 3), ("MOST_BYTES", 12)])
def test_written_lines_count_towards_the_bounds(
    sink: Notes, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(notes, limit, value)
    for _ in range(5):
        context_with(sink).log("ab")
        sink.lines.clear()
    sink.finish()
    assert messages(sink)[0].startswith("2 log lines were dropped")


def test_only_the_last_progress_is_kept_and_at_most_one_a_second_is_written(
    sink: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = iter([100.0, 100.9, 101.0, 101.1])
    monkeypatch.setattr(time, "monotonic", lambda: next(seconds))
    context = context_with(sink)
    written = []
    for share in (0.1, 0.2, 0.3):
        context.progress(share)
        written.append(sink.due_progress())
    context.progress(1, "done")
    sink.finish()
    written.append(sink.due_progress())
    assert written == [Progress(0.1, ""), None, Progress(0.3, ""), Progress(1.0, "done")]


def test_a_checkpoint_stays_until_it_is_saved_and_a_later_one_replaces_it(sink: Notes) -> None:
    context = context_with(sink)
    context.checkpoint({"row": 1})
    first = sink.unsaved_checkpoint()
    assert first == ({"row": 1},)
    context.checkpoint({"row": 2})
    sink.saved(first)
    second = sink.unsaved_checkpoint()
    assert second == ({"row": 2},)
    sink.saved(second)
    assert sink.unsaved_checkpoint() is None


def test_notes_after_the_end_are_dropped(sink: Notes) -> None:
    sink.finish()
    context = context_with(sink)
    context.log("late")
    context.progress(1)
    context.checkpoint(1)
    assert (sink.lines, sink.due_progress(), sink.unsaved_checkpoint()) == ([], None, None)


def test_threads_may_log_at_the_same_time(sink: Notes) -> None:
    context = context_with(sink)

    def work() -> None:
        for n in range(200):
            context.log(n)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sink.finish()
    assert len(sink.lines) == notes.MOST_UNWRITTEN + 1
    assert messages(sink)[-1].startswith("600 log lines")


def test_a_context_by_hand_prints(capsys: pytest.CaptureFixture[str]) -> None:
    context: Context = context_with(None)
    context.log("hello", rows=1)
    context.progress(0.5, "half")
    context.checkpoint(1)
    assert capsys.readouterr().out == "hello rows=1\n0.5 half\n"
