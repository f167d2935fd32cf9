"""The columns of a read model. One table of them makes the statements and the arguments, so the two always agree."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Column(Generic[S]):
    """A column, and where a state holds its value: in the attribute `value`, or in what that function returns.

    Without `value` the attribute is named like the column. `sql` converts the argument `r` into the column's type.
    """

    name: str
    type: str
    value: str | Callable[[S], Any] = ""
    sql: str = ""


Columns = tuple[Column[S], ...]


@dataclass(frozen=True, slots=True)
class Statements(Generic[S]):
    """The same statement for many states and, a fifth cheaper, for one alone; `arguments` has those of the first."""

    many: str
    alone: str
    arguments: Callable[[Sequence[S]], list[Sequence[Any]]]

    def of(self, states: Sequence[S]) -> list[Any]:
        """The statement for these states, and its arguments."""
        each = self.arguments(states)
        return [self.many, *each] if len(states) > 1 else [self.alone, *(value for (value,) in each)]


def inserts(table: str, columns: Columns[S]) -> Statements[S]:
    return Statements(insert(table, columns), insert(table, columns, alone=True), arguments(columns))


def updates(table: str, columns: Columns[S]) -> Statements[S]:
    return Statements(update(table, columns), update(table, columns, alone=True), arguments(columns))


def insert(table: str, columns: Columns[S], *, alone: bool = False) -> str:
    """The INSERT of many rows, with one array per column. One row `alone` takes values instead of arrays."""
    names, values = ", ".join(c.name for c in columns), ", ".join(map(_value, columns))
    each = one_row(columns) if alone else rows(columns)
    return f"INSERT INTO {table} ({names}) SELECT {values} FROM {each}"  # noqa: S608


def update(table: str, columns: Columns[S], *, first: int = 1, join: str = "", alone: bool = False) -> str:
    """The UPDATE of many rows by the first column, their key; `$first` is the first of its parameters.

    Without a join that says which rows are updated, a LIMIT makes PostgreSQL look each row up, as `predicates.one_of`.
    One row `alone` takes values instead of arrays.
    """
    key, sets = columns[0], ", ".join(f"{c.name} = {_value(c)}" for c in columns[1:])
    each = one_row(columns, first) if alone else rows(columns, first)
    if not join and not alone:
        each = f"(SELECT * FROM {each} LIMIT cardinality(${first}::{key.type}[])) AS r"  # noqa: S608
    return f"UPDATE {table} SET {sets} FROM {each} {join} WHERE {table}.{key.name} = r.{key.name}"  # noqa: S608


def rows(columns: Columns[S], first: int = 1, array: str = "${}::{}[]", name: str = "r") -> str:
    """The arguments of many states as rows; `$first` is the first of these arrays."""
    arrays = ", ".join(array.format(n, column.type) for n, column in enumerate(columns, first))
    return f"unnest({arrays}) AS {name} ({', '.join(column.name for column in columns)})"


def one_row(columns: Columns[S], first: int = 1, name: str = "r") -> str:
    """The arguments of one state as one row; `$first` is the first of these values.

    PostgreSQL makes the values part of the query around it. So it prepares no function, and no join with its result.
    """
    values = ", ".join(f"${n}::{column.type}" for n, column in enumerate(columns, first))
    return f"(SELECT {values}) AS {name} ({', '.join(column.name for column in columns)})"


def _value(column: Column[Any]) -> str:
    return column.sql or f"r.{column.name}"


def arguments(columns: Columns[S]) -> Callable[[Sequence[S]], list[Sequence[Any]]]:
    """The function that makes the statements' arguments of many states: one sequence per column.

    It is compiled, as dataclasses compile their methods, because it runs for every event of a run: reading the
    attributes through `operator.attrgetter` takes twice as long.
    """
    functions: dict[str, Any] = {f"value_{c.name}": c.value for c in columns if callable(c.value)}
    row = ", ".join(map(_expression, columns))
    source = f"lambda states: list(zip(*[({row},) for state in states]))"
    made: Callable[[Sequence[S]], list[Sequence[Any]]] = eval(source, functions)  # noqa: S307 - made of constants
    return made


def _expression(column: Column[Any]) -> str:
    if callable(column.value):
        return f"value_{column.name}(state)"
    return f"state.{column.value or column.name}"
