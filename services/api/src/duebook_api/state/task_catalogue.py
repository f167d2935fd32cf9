"""The tasks that executors have registered, and whether a payload fits its task."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from itertools import chain, islice
from types import MappingProxyType
from typing import Any

import structlog
from jsonschema_rs import Draft202012Validator

from duebook_api.http.problems import invalid
from duebook_api.schemas.missing_executor import ServedTasks
from duebook_api.schemas.task_defaults import DefaultsByTask
from duebook_api.state.payload_faults import MASK, faults
from duebook_api.state.payload_keywords import PAYLOAD_KEYWORDS
from duebook_common.store.database import UNAVAILABLE, Pool, acquire
from duebook_common.store.executors import registered, served_tasks

log = structlog.stdlib.get_logger("task_catalogue")

_TASKS = "SELECT name, payload_schema, defaults FROM tasks"
_SECONDS = 2.0
_MOST_FAULTS, _LONGEST_FAULT = 20, 300


class TaskSchemas:
    """The JSON Schemas of the payloads, by task, of every task that was ever registered when the catalogue was read.

    `served` are the tasks that executors had at that time, `defaults` what these choose for jobs.
    """

    def __init__(self, schemas: Mapping[str, Any], served: ServedTasks = MappingProxyType({})) -> None:
        self.schemas, self.served, self.defaults = schemas, served, DefaultsByTask({}, ())
        validators = ((name, _validator(name, schema)) for name, schema in schemas.items() if schema)
        self._validators = {name: validator for name, validator in validators if validator is not None}

    def must_accept(self, task: str, payload: Any, root: str = "/payload") -> None:
        """Raises Problem 422 for a payload that the task's schema refuses; a task without a schema accepts all."""
        validator = self._validators.get(task)
        if validator is None:
            return
        found = chain.from_iterable(faults(self.schemas[task], error, root) for error in validator.iter_errors(payload))
        if distinct := dict.fromkeys(islice(found, _MOST_FAULTS)):
            raise invalid(*distinct)


class TaskCatalogue:
    """Caches the registered tasks; a request that finds the cache older than two seconds reads them again."""

    def __init__(self) -> None:
        self._cached: TaskSchemas | None = None
        self._good_until = 0.0
        self._first_read = asyncio.Lock()

    async def schemas(self, pool: Pool) -> TaskSchemas:
        """The tasks; those of the last successful read while the database is away."""
        if self._cached is None:
            async with self._first_read:  # the first request reads, those that come meanwhile wait for it
                return self._cached or await self._read(pool)
        if time.monotonic() >= self._good_until:
            return await self._read(pool)
        return self._cached

    async def _read(self, pool: Pool) -> TaskSchemas:
        self._good_until = time.monotonic() + _SECONDS  # before the query, so that other requests do not read as well
        with suppress(*UNAVAILABLE):
            async with acquire(pool) as db:
                records = await db.fetch(_TASKS)
                served, executors = await served_tasks(db), await registered(db)
            schemas = {record["name"]: record["payload_schema"] for record in records}
            if self._cached is None or schemas != self._cached.schemas:
                self._cached = TaskSchemas(schemas)
            self._cached.served = served
            last = {record["name"]: record["defaults"] for record in records}
            self._cached.defaults = self._cached.defaults.updated(last, executors)
        # After a failed first read nothing is checked for a while: else each waiting request would try, in turn.
        self._cached = self._cached or TaskSchemas({})
        return self._cached


def _validator(name: str, schema: Any) -> Draft202012Validator | None:
    """None for an invalid schema: then only the executor checks the payload."""
    try:
        return Draft202012Validator(schema, keywords=PAYLOAD_KEYWORDS, mask=MASK)
    except ValueError as error:
        log.warning(
            "the task's schema is invalid; its payloads are not checked here",
            task=name,
            error=str(error)[:_LONGEST_FAULT],
        )
        return None
