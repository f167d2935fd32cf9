"""Keeps what a task says of itself, for the test to see."""

from typing import Any

from duebook.context import Line, Progress


class RecordingSink:
    """The sink of one attempt's context. Tasks call it from threads of their own."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.reports: list[Progress] = []
        self.checkpoints: list[Any] = []

    def log(self, line: Line) -> None:
        self.lines.append(line)

    def progress(self, progress: Progress) -> None:
        self.reports.append(progress)

    def checkpoint(self, value: Any) -> None:
        self.checkpoints.append(value)
