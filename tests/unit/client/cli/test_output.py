"""The output: whole ids if stdout is not a terminal, one line per item, and no control characters."""

import json
import os
import pty
import subprocess
import sys
from contextlib import suppress
from typing import Any

import pytest

from duebook.cli import output, parsing
from duebook.cli.output import Format

ID = "01a2b3c4-0000-7000-8000-000000000000"
ITEM = {
    "id": ID,
    "name": "nightly report " * 20,
    "error": "line one\nline two",
    "tags": ["a", "b"],
    "payload": {"n": 1},
}


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_a_list_without_a_terminal_has_a_full_line_per_item(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_list([ITEM, {**ITEM, "name": "b"}], ("id", "name", "error", "absent"), Format.TABLE)
    head, one, two = lines(capsys)
    assert head.split() == ["id", "name", "error", "absent"]
    assert one.split("  ") == [ID, ITEM["name"].strip(), "line one line two", "-"]  # type: ignore[attr-defined]
    assert two.split() == [ID, "b", "line", "one", "line", "two", "-"]
    assert head.index("error") == one.index("line one") == two.index("line one")


def test_an_item_has_a_line_per_field_and_texts_keep_their_lines(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_item({key: ITEM[key] for key in ("id", "error", "tags", "payload")}, Format.TABLE)
    assert [line.split(maxsplit=1) for line in lines(capsys)] == [
        ["id", ID],
        ["error", "line one"],
        ["line", "two"],
        ["tags", "a, b"],
        ["payload", '{"n": 1}'],
    ]


def test_json_is_the_whole_item(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_list([ITEM], ("id",), Format.JSON)
    assert json.loads(capsys.readouterr().out) == [ITEM]


def test_markup_and_control_characters_are_printed_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_item({"name": "[red]x[/red]\x1b[2J\x07", "payload": {"k": "\u009b"}}, Format.TABLE)
    assert [line.split(maxsplit=1)[1] for line in lines(capsys)] == [r"[red]x[/red]\x1b[2J\x07", r'{"k": "\x9b"}']
    output.print_message("\x1b]0;title")
    assert capsys.readouterr().err == "duebook: \\x1b]0;title\n"


def test_a_truncated_list_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    assert output.take(iter([{"n": 1}, {"n": 2}, {"n": 3}]), 2) == [{"n": 1}, {"n": 2}]
    assert "--limit" in capsys.readouterr().err
    assert output.take(iter([{"n": 1}, {"n": 2}]), 2) == [{"n": 1}, {"n": 2}]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_json_is_valid_in_any_encoding(encoding: str) -> None:
    program = "from duebook.cli.output import print_json; print_json({'name': 'Übersicht'})"
    environment = {**os.environ, "PYTHONIOENCODING": f"{encoding}:backslashreplace"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, env=environment)
    assert json.loads(done.stdout) == {"name": "Übersicht"}


def test_a_closed_pipe_ends_the_program_without_a_message() -> None:
    program = "from duebook.cli.output import print_data\nfor _ in range(100_000): print_data('x' * 100)"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_a_full_disk_is_a_failure_without_a_traceback() -> None:
    program = "from duebook.cli.output import print_data\nfrom duebook.cli.failures import Failure\n"
    program += "try: print_data('x')\nexcept Failure as error: raise SystemExit(str(error))"
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        done = subprocess.run([sys.executable, "-c", program], stdout=full, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (1, b"cannot write to stdout: No space left on device\n")


def test_a_closed_stdout_is_a_failure_without_a_traceback() -> None:
    program = "from duebook.cli.app import open_streams\nfrom duebook.cli.output import print_data\n"
    program += "from duebook.cli.failures import Failure\nopen_streams()\n"
    program += "try: print_data('x')\nexcept Failure as error: raise SystemExit(str(error))"
    command = ["sh", "-c", 'exec "$0" -c "$1" >&-', sys.executable, program]
    done = subprocess.run(command, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (1, b"cannot write to stdout: Bad file descriptor\n")


@pytest.mark.parametrize(("redirection", "fault"), [(">&-", "Bad file descriptor"), (">/dev/full", "No space left on")])
def test_a_help_that_cannot_be_written_is_a_failure_without_a_traceback(redirection: str, fault: str) -> None:
    command = ["sh", "-c", f'exec "$0" -m duebook job --help {redirection}', sys.executable]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"duebook: cannot write to stdout: {fault}")
    assert len(done.stderr.splitlines()) == 1


def test_what_is_opened_later_does_not_become_a_closed_stdout() -> None:
    program = "import os\nfrom duebook.cli.app import open_streams\nopen_streams()\n"
    program += "raise SystemExit(os.open('/dev/null', os.O_RDONLY) < 3)"
    command = ["sh", "-c", 'exec "$0" -c "$1" <&- >&- 2>&-', sys.executable, program]
    assert subprocess.run(command, check=False).returncode == 0


def test_a_list_shows_a_recurrence_as_the_option_takes_it(capsys: pytest.CaptureFixture[str]) -> None:
    items: list[dict[str, Any]] = [
        {"recurrence": {"every": "PT90S"}},
        {"recurrence": {"cron": "0 2 * * *"}},
        {"recurrence": "daily"},
    ]
    output.print_list(items, ("recurrence",), Format.TABLE)
    assert lines(capsys) == ["recurrence", "every PT90S", "cron 0 2 * * *", "daily"]
    assert parsing.recurrence("every PT90S") == {"every": "PT1M30S"}
    output.print_item({"payload": items[0]["recurrence"]}, Format.TABLE)
    assert lines(capsys) == ['payload  {"every": "PT90S"}']


def test_an_item_says_a_pause_in_words_and_json_keeps_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    pause = {"paused_by": "ops", "reason": "the provider\nis down", "since": "2026-11-26T02:00:00Z"}
    output.print_item({"name": "mail", "pause": pause}, Format.TABLE)
    assert lines(capsys)[1] == "pause  by ops since 2026-11-26T02:00:00Z: the provider is down"
    output.print_item({"pause": pause | {"reason": None}}, Format.TABLE)
    assert lines(capsys) == ["pause  by ops since 2026-11-26T02:00:00Z"]
    output.print_item({"pause": pause}, Format.JSON)
    assert json.loads(capsys.readouterr().out) == {"pause": pause}


def test_a_list_cuts_long_errors_and_keeps_them_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    item = {"id": ID, "error": "x" * 500, "name": "n" * 100}
    output.print_list([item], ("id", "error", "name"), Format.TABLE)
    assert lines(capsys)[1].split("  ") == [ID, "x" * 79 + "…", "n" * 100]
    output.print_list([item], ("id", "error"), Format.JSON)
    assert json.loads(capsys.readouterr().out) == [item]
    output.print_item(item, Format.TABLE)
    assert "x" * 500 in capsys.readouterr().out


def test_wide_characters_are_aligned_by_their_cells(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_list([{"a": "日報", "b": "1"}, {"a": "e\u0301", "b": "2"}], ("a", "b"), Format.TABLE)
    assert lines(capsys) == ["a     b", "日報  1", "e\u0301     2"]


def test_an_empty_list_is_its_head(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_list([], ("id", "error"), Format.TABLE)
    assert lines(capsys) == ["id  error"]


def on_terminal(program: str, columns: int) -> list[str]:
    """What a program prints on a terminal of so many columns."""
    leader, follower = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm", "NO_COLOR": "1"}
    with subprocess.Popen([sys.executable, "-c", program], stdout=follower, env=environment) as process:
        os.close(follower)
        printed = b""
        with suppress(OSError):  # read fails when the terminal is closed
            while piece := os.read(leader, 4096):
                printed += piece
    os.close(leader)
    assert process.returncode == 0
    return printed.decode().splitlines()


def test_a_terminal_gets_whole_ids_and_truncated_texts() -> None:
    program = f"from duebook.cli.output import *; print_list([{ITEM!r}], ('id', 'name'), Format.TABLE)"
    assert on_terminal(program, 30)[1].split("  ") == [ID, f"{str(ITEM['name'])[:39]}…"]


def test_an_error_takes_what_the_other_columns_leave_of_a_terminal() -> None:
    item = {"id": ID, "error": "x" * 500}
    program = f"from duebook.cli.output import *; print_list([{item!r}], ('id', 'error'), Format.TABLE)"
    assert [len(line) for line in on_terminal(program, 80)[1:]] == [80]
    assert len(on_terminal(program, 30)[1].split("  ")[1]) == 20
    assert len(on_terminal(program, 400)[1].split("  ")[1]) == 80


PAGES: list[dict[str, Any]] = [
    {"items": [{"n": 1}], "next_cursor": "a"},
    {"items": [], "next_cursor": "b"},
    {"items": [{"n": 2}, {"n": 3}], "next_cursor": "c"},
    {"items": [], "next_cursor": None},
]


@pytest.mark.parametrize(
    ("limit", "to_the_end", "found", "message"),
    [
        (9, False, [1], "use --all to search to the end"),
        (9, True, [1, 2, 3], ""),
        (2, True, [1, 2], "these are the first 2"),
    ],
)
def test_a_search_ends_at_a_page_without_a_match(
    capsys: pytest.CaptureFixture[str], limit: int, to_the_end: bool, found: list[int], message: str
) -> None:
    items = output.take_matching(PAGES, limit, to_the_end=to_the_end)
    printed = capsys.readouterr().err
    assert ([item["n"] for item in items], message in printed, bool(printed)) == (found, True, bool(message))


def test_an_empty_list_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert output.take_matching(PAGES[3:], 9, to_the_end=False) == []
    assert capsys.readouterr().err == ""
