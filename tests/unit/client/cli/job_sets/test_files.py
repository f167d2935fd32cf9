"""Files of jobs: what is read, and where each fault is found."""

import re
from io import StringIO
from pathlib import Path

import pytest

from duebook.cli.job_sets.files import InvalidFiles, JobFiles, read_files

REPORTS = """\
# kept by the reports team
set: reports
jobs:
  - key: nightly
    name: nightly report
    recurrence: {cron: "0 2 * * *"}
    tags: [a]
  - key: weekly
    name: weekly report
    timeout: PT5M
"""


def read(directory: Path, **texts: str) -> JobFiles:
    """Read files whose names have `_` for the dot."""
    for name, text in texts.items():
        (directory / name.replace("_", ".")).write_text(text)
    return read_files([str(directory)])


def faults(directory: Path, **texts: str) -> list[str]:
    with pytest.raises(InvalidFiles) as caught:
        read(directory, **texts)
    return [str(fault).removeprefix(f"{directory}/") for fault in caught.value.faults]


def test_a_file_has_a_set_and_jobs_which_get_its_tag(tmp_path: Path) -> None:
    files = read(tmp_path, reports_yaml=REPORTS)
    assert files.sets == ("reports",)
    assert [job.key for job in files.jobs] == ["nightly", "weekly"]
    assert [job.body["tags"] for job in files.jobs] == [["a", "set:reports"], ["set:reports"]]


def test_a_directory_and_json_are_read_too(tmp_path: Path) -> None:
    text = '{"$schema": "x", "set": "mails", "jobs": [{"key": "m", "name": "\\ud83d\\ude00"}]}'
    files = read(tmp_path, reports_yaml=REPORTS, mails_json=text, notes_txt="no jobs")
    assert files.sets == ("mails", "reports")
    assert files.jobs[0].body["name"] == "\U0001f600"


def test_a_fault_names_file_line_and_field(tmp_path: Path) -> None:
    job = read(tmp_path, reports_yaml=REPORTS).jobs[1]
    assert str(job.fault("/timeout", "too long")).endswith("reports.yaml:10: job weekly: /timeout: too long")
    assert str(job.fault("/backoff/max", "too long")).endswith(":8: job weekly: /backoff/max: too long")


def test_every_fault_of_all_files_is_found_at_once(tmp_path: Path) -> None:
    twice = REPORTS.replace("reports", "others")
    broken = "set: [\n"
    found = faults(tmp_path, a_yaml=REPORTS, b_yaml=twice, c_yaml=broken, d_json="[]", e_yaml="set: A B\njobs: []\n")
    assert [fault.partition(" ")[0] for fault in found] == [
        "b.yaml:4:",
        "b.yaml:8:",
        "c.yaml",
        "d.json:1:",
        "e.yaml:1:",
    ]
    assert "a.yaml:4 has a job with this key already" in found[0]


def test_a_job_that_is_nested_deeply_is_left_to_the_api_to_refuse(tmp_path: Path) -> None:
    payload = '{"a":' * 500 + "1" + "}" * 500
    text = f'{{"set": "a", "jobs": [{{"key": "b", "payload": {payload}}}]}}'
    assert [job.key for job in read(tmp_path, a_json=text).jobs] == ["b"]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("set: a\njobs:\n  - name: b\n", 3, "needs a key"),
        ("set: a\njobs:\n  - b\n", 3, "is an object"),
        ("set: a\njob: []\njobs: []\n", 2, "no such field"),
        ("set: a\njobs: 1\n", 2, "list of jobs"),
        ("set: a\njobs:\n  - key: b\n    tags: ['set:x']\n", 4, "kept for the name"),
        ("set: a\njobs:\n  - key: b\n    tags: x\n", 4, "list of texts"),
    ],
)
def test_a_file_of_another_shape_is_refused_at_its_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    [fault] = faults(tmp_path, a_yaml=text)
    assert fault.startswith(f"a.yaml:{line}: ")
    assert words in fault


def test_what_several_jobs_share_stands_beside_them(tmp_path: Path) -> None:
    text = "set: a\nx-base: &base {task: t, timeout: PT1M}\njobs:\n  - {<<: *base, key: b, timeout: PT2M}\n"
    [job] = read(tmp_path, a_yaml=text).jobs
    assert job.body == {"task": "t", "timeout": "PT2M", "key": "b", "tags": ["set:a"]}


def test_what_cannot_be_read_has_no_line(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{")
    reasons = {
        tmp_path / "none.yaml": f"cannot read {tmp_path}/none.yaml: No such file or directory",
        tmp_path / "broken.json": f"{tmp_path}/broken.json is not JSON: ",
        tmp_path / "empty": f"the directory {tmp_path}/empty has no .yaml, .yml or .json file",
    }
    (tmp_path / "empty").mkdir()
    for name, reason in reasons.items():
        with pytest.raises(InvalidFiles, match=f"^{re.escape(reason)}"):
            read_files([str(name)])


def test_the_text_of_stdin_is_named_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", StringIO("set: a\njobs: 1\n"))
    with pytest.raises(InvalidFiles, match=r"^stdin:2: jobs: "):
        read_files(["-"])
