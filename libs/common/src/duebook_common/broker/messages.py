"""The messages between services: their fields and their JSON. They may change independently of what is stored."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import orjson

T = TypeVar("T")


class MessageUnreadable(Exception):
    """The body is not a message of this version of Duebook."""


@dataclass(frozen=True, slots=True)
class RunMessage:
    """Execute this run, or with `bury` reject the message, so that RabbitMQ moves it to the dead-letter queue.

    `dispatch` is the dispatch number that the message belongs to: a later one makes this message stale. A run that was
    dead-lettered while no delivery of it was held gets a message with `bury`.
    """

    run_id: UUID
    dispatch: int
    bury: bool = False

    def encode(self) -> bytes:
        return orjson.dumps({"v": 1, "run_id": str(self.run_id), "dispatch": self.dispatch, "bury": self.bury})

    @classmethod
    def decode(cls, body: bytes) -> "RunMessage":
        """Decode a body; raises MessageUnreadable."""
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
    """An outcome of a run, as the relay publishes it on `duebook.events`.

    `outcome` is succeeded, failed (a retry follows), dead_lettered, skipped, missed, cancelled or discarded.
    `version` is the version of the outcome's event in the run's stream: a repeated message has the same version, a
    later outcome a higher one. `notify`: the job itself names recipients of mails.

    Occurrences that were missed together are one outcome: `missed` has the `first` and `last` of their nominal times,
    their `count` and the `reason`; `run_id` is the run that the last one would have had; `version` is that of the event
    in the job's stream.
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
        fields = {name: getattr(self, name) for name in self.__slots__ if name != "missed"}
        missed = {"missed": self.missed} if self.missed else {}
        return orjson.dumps({"v": 1, **fields, **missed}, default=str)

    @classmethod
    def decode(cls, body: bytes) -> "OutcomeMessage":
        """Decode a body; raises MessageUnreadable."""
        try:
            data = orjson.loads(body)
            if data["v"] != 1:
                raise ValueError(f"version {data['v']}")
            return cls(
                run_id=UUID(data["run_id"]),
                job_id=UUID(data["job_id"]),
                outcome=_exactly(str, data["outcome"]),
                attempt=_exactly(int, data["attempt"]),
                version=_exactly(int, data["version"]),
                at=datetime.fromisoformat(data["at"]),
                notify=_exactly(bool, data["notify"]),
                missed=_exactly(dict, data["missed"]) if "missed" in data else None,
                **{name: str(data.get(name, "")) for name in ("job_name", "task", "queue")},
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise MessageUnreadable(repr(error)) from error


def _exactly(kind: type[T], value: Any) -> T:
    if type(value) is not kind:
        raise TypeError(f"{value!r} is not a {kind.__name__}")
    return value
