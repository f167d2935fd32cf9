"""What a message between services says. It may change apart from what is stored."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import orjson

T = TypeVar("T")


class MessageUnreadable(Exception):
    """The body is not what this version of Duebook sends."""


@dataclass(frozen=True, slots=True)
class RunMessage:
    """One delivery is one run. `bury` marks a run given up where no delivery was held, to be rejected."""

    run_id: UUID
    dispatch: int
    bury: bool = False

    def encode(self) -> bytes:
        return orjson.dumps({"v": 1, "run_id": str(self.run_id), "dispatch": self.dispatch, "bury": self.bury})

    @classmethod
    def decode(cls, body: bytes) -> "RunMessage":
        """Raises MessageUnreadable."""
        try:
            data = orjson.loads(body)
            dispatch, bury = data["dispatch"], data.get("bury", False)
            if data["v"] != 1 or type(dispatch) is not int or type(bury) is not bool:
                raise ValueError(f"version {data['v']}")
            return cls(UUID(data["run_id"]), dispatch, bury)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise MessageUnreadable(repr(error)) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeMessage:
    """Something happened to a run that people may want to know: what the relay publishes on `duebook.events`.

    `outcome` is succeeded, failed (a retry is ahead), dead_lettered, skipped, missed, cancelled or discarded.
    `version` is its event's version in the run's stream: a repeat has the same, a later outcome a higher one.
    `notify` says that the job itself names recipients.

    Occurrences that were missed together are one outcome: `missed` has their `first` and `last` nominal time, their
    `count` and the `reason`, `run_id` is the run that the last would have had, `version` counts in the job's stream.
    """

    run_id: UUID
    job_id: UUID
    outcome: str
    attempt: int
    version: int
    at: datetime
    notify: bool
    job_name: str = ""
    task: str = ""
    queue: str = ""
    missed: dict[str, Any] | None = None

    @property
    def routing_key(self) -> str:
        return f"run.{self.outcome}"

    def encode(self) -> bytes:
        said = {name: getattr(self, name) for name in self.__slots__ if name != "missed"}
        return orjson.dumps({"v": 1, **said} | ({"missed": self.missed} if self.missed else {}), default=str)

    @classmethod
    def decode(cls, body: bytes) -> "OutcomeMessage":
        """Raises MessageUnreadable."""
        try:
            data = orjson.loads(body)
            if data["v"] != 1:
                raise ValueError(f"version {data['v']}")
            return cls(
                run_id=UUID(data["run_id"]),
                job_id=UUID(data["job_id"]),
                outcome=_of(str, data["outcome"]),
                attempt=_of(int, data["attempt"]),
                version=_of(int, data["version"]),
                at=datetime.fromisoformat(data["at"]),
                notify=_of(bool, data["notify"]),
                missed=_of(dict, data["missed"]) if "missed" in data else None,
                **{name: str(data.get(name, "")) for name in ("job_name", "task", "queue")},
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise MessageUnreadable(repr(error)) from error


def _of(kind: type[T], value: Any) -> T:
    if type(value) is not kind:
        raise TypeError(f"{value!r} is not a {kind.__name__}")
    return value
