"""Files of jobs: a set with a name, and its jobs by their keys."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from duebook.cli import parsing
from duebook.cli.job_sets.positions import Lines, line_of, lines_of

TAG = "set:"
_SET = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
_SUFFIXES = {".yaml", ".yml", ".json"}
_MEMBERS = {"set", "jobs", "$schema"}
_OWN = "x-"  # members for what several jobs share by YAML's anchors; nothing reads them
_UNKNOWN = "there is no such field; there are `set` and `jobs`, and names that begin with `x-` for what jobs share"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong in a file, and where. The line is 0 if none is known; then the message names the file."""

    file: str
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}: " if self.line else ""
        return f"{where}{self.field}{': ' if self.field else ''}{self.message}"


class InvalidFiles(Exception):
    """Files that cannot be applied. The message has a line for each fault."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class FileJob:
    """A job of a file; `body` has the fields of the file and the tag of its set."""

    key: str
    set: str
    body: dict[str, Any]
    file: str
    pointer: str
    lines: Lines

    def fault(self, pointer: str, message: str) -> Fault:
        """What is wrong with a field of this job; `pointer` is that of the field in the job."""
        line = line_of(self.lines, self.pointer + pointer)
        return Fault(self.file, line, f"job {self.key}{': ' if pointer else ''}{pointer}", message)


@dataclass(frozen=True, slots=True)
class JobFiles:
    """All files together: the sets that they are about, and the jobs in the order of the files."""

    sets: tuple[str, ...]
    jobs: tuple[FileJob, ...]


def read_files(names: Iterable[str]) -> JobFiles:
    """Read files, and all YAML and JSON files of directories; `-` is stdin. Raises InvalidFiles."""
    faults: list[Fault] = []
    sets: dict[str, None] = {}
    jobs: dict[str, FileJob] = {}
    for name in _paths(names):
        for found in _read(name):
            match found:
                case Fault():
                    faults.append(found)
                case FileJob() if found.key in jobs:
                    first = jobs[found.key]
                    faults.append(found.fault("/key", f"{first.file}:{_line(first)} has a job with this key already"))
                case FileJob():
                    jobs[found.key] = found
                case set_name:
                    sets[set_name] = None
    if faults:
        raise InvalidFiles(faults)
    return JobFiles(tuple(sets), tuple(jobs.values()))


def _line(job: FileJob) -> int:
    return line_of(job.lines, job.pointer)


def _paths(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        path = Path(name)
        if name == "-" or not path.is_dir():
            yield name
            continue
        found = sorted(each for each in path.rglob("*") if each.suffix in _SUFFIXES and each.is_file())
        if not found:
            raise InvalidFiles([Fault(name, 0, "", f"the directory {name} has no .yaml, .yml or .json file")])
        yield from map(str, found)


def _read(name: str) -> Iterator[Fault | FileJob | str]:
    """The set of a file and its jobs, or what is wrong with them."""
    try:
        text = parsing.text_of(name)
        value = parsing.parsed(text, name)
    except ValueError as error:
        yield Fault(name, 0, "", str(error))
        return
    yield from _file("stdin" if name == "-" else name, value, lines_of(text))


def _file(name: str, value: Any, lines: Lines) -> Iterator[Fault | FileJob | str]:
    if not isinstance(value, dict):
        yield Fault(name, 1, "", "a file of jobs is an object with the fields `set` and `jobs`")
        return
    for member in value:
        if member not in _MEMBERS and not str(member).startswith(_OWN):
            yield Fault(name, line_of(lines, f"/{member}"), str(member), _UNKNOWN)
    set_name, jobs = value.get("set"), value.get("jobs")
    if not isinstance(set_name, str) or not _SET.fullmatch(set_name):
        message = "a set has a name of 1 to 63 characters: a to z, 0 to 9, and after the first also _ . -"
        yield Fault(name, line_of(lines, "/set"), "set", message)
        return
    yield set_name
    if not isinstance(jobs, list):
        yield Fault(name, line_of(lines, "/jobs"), "jobs", "this must be a list of jobs")
        return
    for n, job in enumerate(jobs):
        yield _job(name, set_name, job, f"/jobs/{n}", lines)


def _job(name: str, set_name: str, body: Any, pointer: str, lines: Lines) -> Fault | FileJob:
    if not isinstance(body, dict):
        return Fault(name, line_of(lines, pointer), pointer, "a job is an object")
    key = body.get("key")
    if not isinstance(key, str) or not key:
        return Fault(name, line_of(lines, pointer), f"{pointer}/key", "each job needs a key of its own, a text")
    tags = body.get("tags", [])
    job = FileJob(key, set_name, body, name, pointer, lines)
    if not isinstance(tags, list) or any(isinstance(tag, str) and tag.startswith(TAG) for tag in tags):
        return job.fault(
            "/tags", f"tags are a list of texts; those that begin with {TAG} are kept for the names of sets"
        )
    return FileJob(key, set_name, body | {"tags": [*tags, TAG + set_name]}, name, pointer, lines)
