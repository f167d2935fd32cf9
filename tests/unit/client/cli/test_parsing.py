"""The values of options."""

import re
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from duebook.cli import parsing

NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("90s", "PT1M30S"),
        ("5m", "PT5M"),
        ("1h30m", "PT1H30M"),
        ("2d", "P2D"),
        ("1w", "P7D"),
        ("0.5s", "PT0.5S"),
        ("PT90S", "PT1M30S"),
        ("pt15m", "PT15M"),
        ("P1DT2H", "P1DT2H"),
        ("0s", "PT0S"),
    ],
)
def test_a_duration_is_short_or_iso_8601(text: str, iso: str) -> None:
    assert parsing.iso_duration(text) == iso


@pytest.mark.parametrize("text", ["", "5", "m", "5 m", "-5m", "P", "PT", "P1M", "1m1h", "5min", "٣s", "9" * 30 + "w"])
def test_an_invalid_duration_is_refused_and_quoted(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a duration|too long"):
        parsing.iso_duration(text)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("in 90s", "2026-11-24T01:01:30+00:00"),
        ("in  2h", "2026-11-24T03:00:00+00:00"),
        ("in PT1M", "2026-11-24T01:01:00+00:00"),
        ("3d ago", "2026-11-21T01:00:00+00:00"),
        ("2026-11-24T02:00:00+01:00", "2026-11-24T02:00:00+01:00"),
        ("2026-11-24 02:00Z", "2026-11-24T02:00:00+00:00"),
    ],
)
def test_a_timestamp_has_an_offset_or_is_relative(text: str, time: str) -> None:
    assert parsing.timestamp(text, NOW) == time


@pytest.mark.parametrize(
    "text", ["2026-11-24T02:00:00", "2026-11-24", "tomorrow", "in", "in a while", "in 999999w", " ago", "9w9w ago"]
)
def test_a_timestamp_that_is_not_one_instant_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"offset|not a time|not a duration|out of range"):
        parsing.timestamp(text, NOW)


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("daily", "daily"),
        ("none", "none"),
        ("every 15m", {"every": "PT15M"}),
        ("cron 0 2 * * 1-5", {"cron": "0 2 * * 1-5"}),
        ("rrule FREQ=MONTHLY;BYDAY=-1FR", {"rrule": "FREQ=MONTHLY;BYDAY=-1FR"}),
        (" weekly ", "weekly"),
        ('{"every": "PT15M"}', {"every": "PT15M"}),
    ],
)
def test_a_recurrence_is_parsed_into_what_the_api_takes(text: str, sent: Any) -> None:
    assert parsing.recurrence(text) == sent


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("30 2 * * *", "write 'cron 30 2 * * *'"),
        ("*/10 * * * * *", "write 'cron */10 * * * * *'"),
        ("@daily", "write 'cron @daily'"),
        ("TZ=Europe/Berlin 0 9 * * *", "write 'cron 0 9 * * *' and --timezone Europe/Berlin"),
        ("15m", "write 'every PT15M'"),
        ("PT15M", "write 'every PT15M'"),
        ("@every 5m", "write 'every PT5M'"),
        ("hourly", "write 'every PT1H'"),
        ("monthly", "write 'rrule FREQ=MONTHLY'"),
        ("FREQ=DAILY", "write 'rrule FREQ=DAILY'"),
        ("Daily", "write daily"),
        ("cron", "write none, daily"),
        ("", "write none, daily"),
    ],
)
def test_a_recurrence_in_another_syntax_is_refused_with_the_right_one(text: str, remedy: str) -> None:
    with pytest.raises(ValueError, match=r"is not a recurrence; ") as refusal:
        parsing.recurrence(text)
    assert remedy in str(refusal.value)
    quoted = re.search(r"write '([^']+)'$", str(refusal.value))
    if quoted:
        assert parsing.recurrence(quoted[1])


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("key:report", {"job": "key:report"}),
        ("key:a on=dead_lettered,skipped", {"job": "key:a", "on": ["dead_lettered", "skipped"]}),
        ("key:a payload=result on=succeeded", {"job": "key:a", "on": ["succeeded"], "payload": "result"}),
    ],
)
def test_a_follow_up_is_parsed_into_what_the_api_takes(text: str, sent: Any) -> None:
    assert parsing.follow_up(text) == sent


@pytest.mark.parametrize("text", ["", "key:a succeeded", "key:a of=b"])
def test_a_follow_up_in_another_syntax_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no follow-up; write it like"):
        parsing.follow_up(text)


def test_a_payload_is_json_or_a_file_with_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "payload.json").write_text('{"a": "ü"}', encoding="utf-8")
    monkeypatch.setattr("sys.stdin", StringIO("[1]"))
    assert parsing.json_or_file('{"a": 1}') == {"a": 1}
    assert parsing.json_or_file("null") is None
    assert parsing.json_or_file(f"@{tmp_path}/payload.json") == {"a": "ü"}
    assert parsing.json_or_file("@-") == [1]


def test_a_payload_that_is_not_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for text in [
        "{a: 1}",
        "",
        "NaN",
        "[Infinity]",
        "[" * 100_000,
        "@",
        f"@{tmp_path}",
        f"@{tmp_path}/binary",
        "@/no/file",
    ]:
        with pytest.raises(ValueError, match=r"not JSON|too deeply|cannot read|not UTF-8"):
            parsing.json_or_file(text)


YAML = """\
name: nightly report            # a comment
recurrence: {cron: "0 2 * * 1-5"}
scheduled_at: 2026-11-24T02:00:00+01:00
timezone: Europe/Berlin
notify:
  on: [dead_lettered]
payload: {day: 2026-11-24, at: 12:30:00, yes: no, big: 1152921504606846976, share: 0.5, none: null, odd: 007, ok: true}
tags: []
"""


def test_yaml_is_read_as_json_would_have_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "job.yaml").write_text(YAML)
    monkeypatch.setattr("sys.stdin", StringIO(YAML))
    job = parsing.document(f"{tmp_path}/job.yaml")
    assert job == parsing.document("-")
    assert job == {
        "name": "nightly report",
        "recurrence": {"cron": "0 2 * * 1-5"},
        "scheduled_at": "2026-11-24T02:00:00+01:00",
        "timezone": "Europe/Berlin",
        "notify": {"on": ["dead_lettered"]},
        "payload": {
            "day": "2026-11-24",
            "at": "12:30:00",
            "yes": "no",
            "big": 2**60,
            "share": 0.5,
            "none": None,
            "odd": "007",
            "ok": True,
        },
        "tags": [],
    }


BOMB = "a0: &a0 [x]\n" + "\n".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 30))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("cron: * * * * *", "quotation marks"),
        ("a: 1\na: 2", "'a' stands twice"),
        ("b: 1\na: [1\n", "line 3: while parsing a flow sequence"),
        ("a: !!python/object:os.system x", "could not determine a constructor"),
        ("a: !!timestamp 2026-11-24", "not JSON serializable"),
        ("a: &x [*x]", "Circular"),
        ("a: 1\n---\na: 2", "single document"),
        ("[" * 100_000, "too deeply"),
        (BOMB, "its aliases (*name) stand for more than 16 MiB"),
        (f"{BOMB}\nz: {{<<: *a29}}", "its aliases (*name) stand for more than 16 MiB"),
    ],
)
def test_yaml_that_json_could_not_hold_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "job.yaml").write_text(text)
    with pytest.raises(ValueError, match=re.escape(reason)):
        parsing.document(f"{tmp_path}/job.yaml")


def test_aliases_of_ordinary_files_are_followed(tmp_path: Path) -> None:
    jobs = "\n".join(f"  - {{<<: *base, key: job-{n}}}" for n in range(1000))
    (tmp_path / "job.yaml").write_text(f"base: &base {{payload: {'x' * 10_000}}}\njobs:\n{jobs}\n")
    document = parsing.document(f"{tmp_path}/job.yaml")
    assert [len(job["payload"]) for job in document["jobs"]] == [10_000] * 1000


def test_own_keys_override_merged_ones_at_any_depth(tmp_path: Path) -> None:
    text = "a: &a {x: 1, y: 1}\nw: {v: {u: &b {<<: *a, x: 2}}}\nc: {<<: *b, y: 3}\nd: {<<: [*b, *a], z: 4}\n"
    (tmp_path / "job.yaml").write_text(text)
    document = parsing.document(f"{tmp_path}/job.yaml")
    assert [document["w"]["v"]["u"], document["c"]] == [{"x": 2, "y": 1}, {"x": 2, "y": 3}]
    assert document["d"] == {"x": 2, "y": 1, "z": 4}


def test_a_file_that_looks_like_json_must_be_json(tmp_path: Path) -> None:
    for name, text in (("job.json", "a: 1"), ("job", "{a: 1}")):
        (tmp_path / name).write_text(text)
        with pytest.raises(ValueError, match="is not JSON"):
            parsing.document(f"{tmp_path}/{name}")
