"""What the log of a process says of an error: what it is, where it was raised, and its text only where that is safe.

No erasure reaches a log, and the text of an error may quote contents: PostgreSQL quotes the row that it refuses, a
parser what it read, an SMTP server the recipient. Errors of connections, of servers and of refused commands quote
nothing of that kind.
"""

import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TextIO

# By package and name, with all that derive from them: a process need not load the clients of all servers for this.
# Those of other packages are left out, because a task may raise an error that derives from one of these and quotes
# anything; so are refused values, which a client quotes.
_WITHOUT_CONTENTS = frozenset(
    {
        "builtins.OSError",
        "duebook_common.CommandRejected",
        "duebook_common.Conflict",
        "duebook_executor.TooManyGivenUp",
        "aiormq.AMQPError",
        "redis.RedisError",
        "asyncpg.InterfaceError",
        "asyncpg.InternalClientError",
        "asyncpg.PostgresConnectionError",
        "asyncpg.OperatorInterventionError",
        "asyncpg.InsufficientResourcesError",
        "asyncpg.TransactionRollbackError",
        "asyncpg.LockNotAvailableError",
        "asyncpg.ReadOnlySQLTransactionError",
        "asyncpg.InvalidAuthorizationSpecificationError",
        "asyncpg.InvalidCatalogNameError",
        "asyncpg.SyntaxOrAccessError",
    }
)
_PACKAGES = {name.partition(".")[0] for name in _WITHOUT_CONTENTS} | {"aio_pika", "socket", "ssl"}
_IN_SCHEMA = ("sqlstate", "table_name", "column_name", "constraint_name")
_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def described(error: BaseException, *, contents: bool = False) -> str:
    """The class of an error, and what else may be said of it; with `contents` its whole text."""
    if contents or _has_no_contents(type(error)):
        return repr(error)
    parts = [type(error).__name__, *_names_in_schema(error)]
    if isinstance(error, BaseExceptionGroup):
        parts.append(str([described(each) for each in error.exceptions]))
    return " ".join(parts)


def _has_no_contents(kind: type) -> bool:
    is_known = _package(kind) in _PACKAGES and not issubclass(kind, ValueError)
    return is_known and any(f"{_package(each)}.{each.__name__}" in _WITHOUT_CONTENTS for each in kind.__mro__)


def _package(kind: type) -> str:
    return kind.__module__.partition(".")[0]


def _names_in_schema(error: BaseException) -> Iterator[str]:
    """What PostgreSQL says an error is about: its code, and names of the schema."""
    for name in _IN_SCHEMA:
        if value := getattr(error, name, None):
            yield f"{name}={value}"


@dataclass(frozen=True, slots=True)
class Contents:
    """A text for a field of a line, such as the error of a task, that is written only with DUEBOOK_LOG_CONTENTS."""

    text: str | bytes


class ErrorDescriber:
    """A processor of structlog: an exception in a field becomes its description, and contents stay out."""

    def __init__(self, *, contents: bool) -> None:
        self._contents = contents

    def __call__(self, _logger: Any, _method: str, line: Any) -> Any:
        for name, value in [*line.items()]:
            if isinstance(value, BaseException):
                line[name] = described(value, contents=self._contents)
            elif isinstance(value, Contents) and self._contents:
                line[name] = value.text
            elif isinstance(value, Contents):
                del line[name]
        if line.get("logger") == "asyncio" and not self._contents:
            line["event"] = str(line["event"]).partition("\n")[0]  # what follows shows futures with their exceptions
        return line


def write_traceback(stream: TextIO, exc_info: _ExcInfo) -> None:
    """Where an exception was raised, and those that led to it, oldest first, without their texts."""
    for error in reversed([*_causes(exc_info[1])]):
        stream.writelines(traceback.format_tb(error.__traceback__))
        stream.write(f"{described(error)}\n")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and what it was raised from or while."""
    seen = set[int]()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
