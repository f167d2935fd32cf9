"""Schemas of the answers about the installation: who asks, keys, services, executors, tasks and mails."""

from typing import Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field


class Whoami(BaseModel):
    """Who asks, and what the key may do."""

    actor: str
    key_id: str | None
    name: str
    scopes: list[str]
    expires_at: AwareDatetime | None
    auth: Literal["required", "off"]


Presence = Literal["alive", "draining", "lost"]


class Task(BaseModel):
    """A task that an executor has registered."""

    name: str
    payload_schema: dict[str, Any] | None
    defaults: dict[str, Any]
    seen_at: AwareDatetime
    executors: int
    queues: list[str]


class Executor(BaseModel):
    """A process that executes runs."""

    id: str
    name: str
    host: str
    version: str
    state: Presence
    queues: list[str]
    tasks: list[str]
    slots: int
    running: int
    started_at: AwareDatetime
    seen_at: AwareDatetime


class RunUnderWay(BaseModel):
    """A run that an executor executes."""

    id: UUID
    run_id: UUID
    job_id: UUID
    job_name: str
    task: str
    queue: str
    attempt: int
    started_at: AwareDatetime
    cancel_requested: bool


class BusyExecutor(Executor):
    """An executor with the runs that it executes."""

    runs: list[RunUnderWay]


class Service(BaseModel):
    """A process of a service."""

    id: UUID
    service: str
    host: str
    version: str
    schema_: str = Field(alias="schema")
    tzdata: str
    state: Presence
    started_at: AwareDatetime
    seen_at: AwareDatetime


class SettingValue(BaseModel):
    """A value of a setting, and the services that have it."""

    value: Any
    services: list[str]


class Setting(BaseModel):
    """A setting of the services that run. Services whose settings differ have several values."""

    name: str
    values: list[SettingValue]


class TableSize(BaseModel):
    """The size of a table, its indexes included."""

    name: str
    rows: int
    bytes: int


class Archive(BaseModel):
    """A period of the log that has left the database for files."""

    number: int
    period: str
    events: int
    bytes: int
    digest: str
    address: str
    archived_at: AwareDatetime


class Archives(BaseModel):
    """What has left the database, and since when the database has all."""

    count: int
    events: int
    bytes: int
    kept_since: AwareDatetime
    newest: list[Archive]


class System(BaseModel):
    """The services that run, and the state of the database and the log."""

    at: AwareDatetime
    schema_: str = Field(alias="schema")
    postgres: str
    relay_lag_events: int
    feed_horizon_age_seconds: float
    services: list[Service]
    settings: list[Setting]
    archives: Archives
    tables: list[TableSize]


class Key(BaseModel):
    """An API key, without its secret."""

    id: str
    name: str
    status: Literal["active", "expired", "revoked"]
    scopes: list[str]
    created_at: AwareDatetime
    created_by: str
    expires_at: AwareDatetime | None
    last_used_at: AwareDatetime | None
    revoked_at: AwareDatetime | None


class NewKey(Key):
    """A key that was made just now. This is the only time that it is shown."""

    key: str


class Act(BaseModel):
    """What a person or a program did: an event of the log."""

    position: str
    at: AwareDatetime
    actor: str
    key_name: str | None
    type: str
    stream: str
    job_id: UUID | None
    run_id: UUID | None
    reason: str | None
    data: dict[str, Any]


class Notification(BaseModel):
    """A mail about an outcome, to one recipient."""

    id: str
    run_id: UUID
    job_id: UUID
    job_name: str | None
    outcome: str
    recipient: str
    status: Literal["sent", "held", "in_digest", "retrying", "given_up"]
    tries: int
    error: str | None
    next_try_at: AwareDatetime | None
    message_id: str
    updated_at: AwareDatetime
