"""The tasks that executors have registered, and whether a payload fits its task."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import chain, islice
from typing import Any

import structlog
from jsonschema_rs import Draft202012Validator, ValidationError, ValidationErrorKind

from duebook_api.http.problems import Fault, invalid, pointer
from duebook_common.store.database import UNAVAILABLE, Pool, acquire

log = structlog.stdlib.get_logger("catalogue")

_TASKS = "SELECT name, payload_schema FROM tasks"
_SECONDS = 2.0
_MOST_FAULTS, _LONGEST_FAULT = 20, 300


class TaskSchemas:
    """The tasks as they were a moment ago, each with the JSON Schema of its payload."""

    def __init__(self, schemas: Mapping[str, Any]) -> None:
        self.schemas, self.names = schemas, frozenset(schemas)
        made = ((name, _validator(name, schema)) for name, schema in schemas.items() if schema)
        self._validators = {name: validator for name, validator in made if validator is not None}

    def must_take(self, task: str, payload: Any, where: str = "/payload") -> None:
        """Raises Problem 422 where the task is known and refuses the payload."""
        validator = self._validators.get(task)
        if validator is None:
            return
        each = chain.from_iterable(_faults(error, where) for error in validator.iter_errors(payload))
        if faults := dict.fromkeys(islice(each, _MOST_FAULTS)):
            raise invalid(*faults)


class Catalogue:
    """What is known of tasks, read again every two seconds while somebody asks."""

    def __init__(self) -> None:
        self._known: TaskSchemas | None = None
        self._good_until = 0.0
        self._first = asyncio.Lock()

    async def known(self, pool: Pool) -> TaskSchemas:
        if self._known is None:
            async with self._first:  # who comes at the very beginning waits for the one that asks
                if self._known is None:
                    await self._read(pool)
        elif time.monotonic() >= self._good_until:
            await self._read(pool)
        return self._known or TaskSchemas({})

    async def _read(self, pool: Pool) -> None:
        self._good_until = time.monotonic() + _SECONDS  # first, so that of many requests one asks
        with suppress(*UNAVAILABLE):  # what was known is good enough then
            async with acquire(pool) as db:
                schemas = {record["name"]: record["payload_schema"] for record in await db.fetch(_TASKS)}
            if self._known is None or schemas != self._known.schemas:
                self._known = TaskSchemas(schemas)
        self._known = self._known or TaskSchemas({})  # then nothing is checked, and nobody waits in turn to learn that


def _validator(name: str, schema: Any) -> Draft202012Validator | None:
    """None for a schema that is none: then the executor alone has the word."""
    try:
        return Draft202012Validator(schema)
    except ValueError as error:
        log.warning("payloads are not checked", task=name, error=str(error)[:_LONGEST_FAULT])
        return None


def _faults(error: ValidationError, where: str) -> Iterator[Fault]:
    at = where + pointer(error.instance_path)
    match error.kind:
        case ValidationErrorKind.Required(property=name):
            yield Fault(at + pointer([name]), "this field is required")
        case ValidationErrorKind.AdditionalProperties(unexpected=names):
            yield from (Fault(at + pointer([name]), "there is no such field") for name in names)
        case ValidationErrorKind.AnyOf(context=branches) if branches:
            says = " or ".join(dict.fromkeys(each.message for branch in branches for each in branch[:1]))
            yield Fault(at, f"the task refuses this, whichever way it is read: {says}"[:_LONGEST_FAULT])
        case _:
            yield Fault(at, f"the task refuses this: {error.message}"[:_LONGEST_FAULT])
