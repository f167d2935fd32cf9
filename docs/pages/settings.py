"""The settings of every service, from the classes that read them."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from docs.pages.markdown import code, field_docs, page, table
from duebook_api.settings import ApiSettings
from duebook_common.runtime.bounds import Bounds
from duebook_common.runtime.durations import iso
from duebook_common.runtime.mail_domains import MailDomains
from duebook_common.runtime.settings import Settings
from duebook_executor.settings import ExecutorSettings
from duebook_notifier.settings import NotifierSettings
from duebook_scheduler.settings import SchedulerSettings

_SERVICES: tuple[tuple[str, type[Settings]], ...] = (
    ("duebook-api", ApiSettings),
    ("duebook-scheduler", SchedulerSettings),
    ("duebook-executor", ExecutorSettings),
    ("duebook-notifier", NotifierSettings),
)
_INTRODUCTION = """
Every service reads its environment and nothing else. Any variable may instead name a file: `DUEBOOK_POSTGRES_URL_FILE`
is the path of a file that holds the URL. An empty variable counts as absent. A missing or wrong value ends the service
at its start with exit code 2 and one line that names the variable; so does one beyond its bounds, which stand beside the
default. An unknown name that begins with `DUEBOOK_` is warned of. Durations are ISO 8601: `PT30S`, `PT5M`, `P1D`.
[.env.example](../../.env.example) has the same variables, ready to be copied.
"""
_REST = """
## The command line

| variable | default | meaning |
| --- | --- | --- |
| `DUEBOOK_URL` | `http://127.0.0.1:8000` | The API that `duebook` talks to. |
| `DUEBOOK_API_KEY` | none | The key that it sends. |
| `DUEBOOK_POSTGRES_URL` | required | The database of `verify`, `rebuild`, `migrate` and `key`, which need no API. |

## Tests

| variable | meaning |
| --- | --- |
| `DUEBOOK_TEST_CONTAINERS` | `1`: the shared servers of the tests are containers, even if their images must be fetched. |
| `DUEBOOK_TEST_SCHEDULES` | How many random schedules are compared with the oracle. |
"""


def _services() -> Iterator[str]:
    yield "## Every service"
    yield _table(Settings, set())
    for name, kind in _SERVICES:
        yield f"## {name}"
        yield _table(kind, set(Settings.model_fields))


def _table(kind: type[Settings], without: set[str]) -> str:
    docs = field_docs(kind)
    fields = ((name, field) for name, field in kind.model_fields.items() if name not in without)
    rows = ((code(f"DUEBOOK_{name.upper()}"), _default(field), docs.get(name, "")) for name, field in fields)
    return table(("variable", "default", "meaning"), rows)


def _default(field: Any) -> str:
    if field.is_required():
        return "required"
    match field.default:
        case None | "" | ():
            return "none"
        case MailDomains():
            return "all"
        case timedelta():
            return code(iso(field.default)) + _bounds(field)
        case tuple():
            return code(",".join(field.default))
        case _:
            return code(str(field.default)) + _bounds(field)


def _bounds(field: Any) -> str:
    bounds = (each.func for each in field.metadata if isinstance(getattr(each, "func", None), Bounds))
    return "".join(f" ({each})" for each in bounds)


def render() -> str:
    return page("Settings", _INTRODUCTION, *_services(), _REST)
