from typing import Any

import pytest

from duebook_api.console.pages.job_copies import job_copies
from support.command_lines import faults

BODY: dict[str, Any] = {
    "name": "it's \N{SNOWMAN}",
    "task": "log",
    "recurrence": {"cron": "0 2 * * 1-5"},
    "scheduled_at": "2026-11-26T02:00:00Z",
    "max_retries": 3,
    "keep": "P365D",
    "tags": ["a b", "c"],
    "rate": {"key": "k", "limit": 5, "per": "PT1M"},
    "payload": {"n": 2**60},
}


def _line(body: dict[str, Any], job_id: str | None = None) -> str:
    return dict(job_copies("http://h/api/job", body, job_id, needs_key=False))["as a command line"]


def test_a_new_job_is_a_command_with_an_option_for_each_field() -> None:
    line = _line(BODY)
    assert faults(line) == []
    assert line.startswith("duebook job create 'it'\"'\"'s \N{SNOWMAN}' --task log --recurrence 'cron 0 2 * * 1-5'")
    assert "--at 2026-11-26T02:00:00Z --max-retries 3 --keep P365D --tag 'a b' --tag c" in line
    assert line.endswith("--rate-key k --rate-limit 5 --rate-per PT1M --payload '{\"n\":1152921504606846976}'")


@pytest.mark.parametrize("value", ["daily", "none"])
def test_a_recurrence_without_a_rule_is_its_kind(value: str) -> None:
    assert f"--recurrence {value}" in _line({"name": "n", "recurrence": value})


def test_a_change_names_the_job_and_its_new_name() -> None:
    line = _line({"name": "new", "queue": "mail"}, "1")
    assert faults(line) == []
    assert line == "duebook job update 1 --name new --queue mail"


def test_a_field_that_is_emptied_is_sent_as_a_file() -> None:
    line = _line({"keep": None}, "1")
    assert line == "duebook job update 1 -f - <<< '{\"keep\":null}'"
    assert faults(line.partition(" <<<")[0]) == []


def test_the_request_has_the_same_fields() -> None:
    requests = [
        dict(job_copies("http://h", {"name": "n"}, each, needs_key=False))["as a request"] for each in (None, "1")
    ]
    assert requests[0] == "curl -sS -H 'Content-Type: application/json' -d '{\"name\":\"n\"}' http://h"
    assert requests[1].startswith("curl -sS -X PATCH ")


MORE: dict[str, Any] = {
    "dst": {"gap": "skip", "fold": "both"},
    "ends_at": "2027-11-24T02:00:00Z",
    "max_runs": 5,
    "pause_on_failure": True,
    "catch_up": {"policy": "all"},
    "notify": {"to": ["a@b.example"], "on": ["missed", "skipped"]},
    "then": [
        {"job": "key:a", "on": ["succeeded", "skipped"], "payload": "result"},
        {"job": "key:b", "on": ["succeeded"], "payload": None},
    ],
}


@pytest.mark.parametrize("job_id", [None, "1"])
def test_rare_fields_have_options_of_their_own(job_id: str | None) -> None:
    line = _line({"name": "n"} | MORE, job_id)
    assert faults(line) == []
    assert (
        "--gap skip --fold both --ends-at 2027-11-24T02:00:00Z --max-runs 5 --pause-on-failure --catch-up all" in line
    )
    assert "--notify a@b.example --notify-on missed --notify-on skipped --then 'key:a on=succeeded,skipped pay" in line
    assert line.endswith("payload=result' --then 'key:b on=succeeded'")


@pytest.mark.parametrize(
    "fields",
    [
        {"backoff": {"initial": "PT5S"}},
        {"metadata": {"owner": "finance"}},
        {"catch_up": {"policy": "all", "window": "P1D"}},
        {"notify": {"to": [], "on": []}},
    ],
)
def test_a_field_without_an_option_is_sent_as_a_file(fields: dict[str, Any]) -> None:
    for job_id, words in ((None, "create"), ("1", "update 1")):
        line = _line({"name": "n"} | fields, job_id)
        assert line.startswith(f"duebook job {words} -f - <<< ")
        assert faults(line.partition(" <<<")[0]) == []


@pytest.mark.parametrize("fields", [{"tags": []}, {"then": []}, {"notify": {"to": [], "on": ["missed"]}}])
def test_no_option_empties_a_list_so_that_a_change_to_nothing_is_a_file(fields: dict[str, Any]) -> None:
    assert " -f - <<< " in _line(fields, "1")
    assert " -f " not in _line({"name": "n"} | fields)
