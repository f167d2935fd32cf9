"""The view model of the installation: its services, the log, the database and the settings."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from markupsafe import Markup

from duebook_api.console.pages.svg.gauge import gauge
from duebook_api.console.pages.words import count, cut
from duebook_common.runtime.phrases import quantity, short_duration

# The relay works off some thousand events a second, and no transaction of ours is open for longer than seconds.
_MUCH_LAG, _OLD_HORIZON = 10_000, timedelta(minutes=1)
_OF_EACH_PROCESS = {"DUEBOOK_HOST", "DUEBOOK_PORT"}
_UNITS = ("bytes", "kB", "MB", "GB", "TB")


@dataclass(frozen=True, slots=True)
class ServiceRow:
    id: str
    service: str
    host: str
    version: str
    schema: str
    tzdata: str
    state: str
    started_at: datetime
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Value:
    """A value of a setting; `services` is empty where all services that have the setting agree."""

    text: str
    services: str


@dataclass(frozen=True, slots=True)
class SettingRow:
    name: str
    values: list[Value]

    @property
    def differs(self) -> bool:
        """Whether services have different values, though one installation should have one."""
        return len(self.values) > 1 and self.name not in _OF_EACH_PROCESS


@dataclass(frozen=True, slots=True)
class TableRow:
    name: str
    rows: str
    size: str
    share: Markup


@dataclass(frozen=True, slots=True)
class ArchiveRow:
    period: str
    events: str
    size: str
    digest: str
    address: str
    archived_at: datetime


@dataclass(frozen=True, slots=True)
class SystemPage:
    """`warnings` are sentences on what an operator should look at."""

    sentence: str
    warnings: list[str]
    services: list[ServiceRow]
    facts: list[tuple[str, str]]
    tables: list[TableRow]
    total_size: str
    archives: list[ArchiveRow]
    archived: str
    kept_since: datetime
    settings: list[SettingRow]


def system_page(system: Mapping[str, Any]) -> SystemPage:
    total = sum(table["bytes"] for table in system["tables"])
    largest = max((table["bytes"] for table in system["tables"]), default=0)
    settings = [setting_row(each) for each in system["settings"]]
    return SystemPage(
        sentence=_sentence(system["services"]),
        warnings=warnings(system, settings),
        services=[_service(each) for each in system["services"]],
        facts=_facts(system),
        tables=[_table(each, largest) for each in system["tables"]],
        total_size=size(total),
        archives=[_archive(each) for each in system["archives"]["newest"]],
        archived=_archived(system["archives"]),
        kept_since=system["archives"]["kept_since"],
        settings=settings,
    )


def _sentence(services: Sequence[Mapping[str, Any]]) -> str:
    running = [each for each in services if each["state"] != "lost"]
    if not running:
        return "No service has written a heartbeat within the last minute."
    names = sorted({each["service"] for each in running})
    processes, kinds = quantity(len(running), "process", "processes"), quantity(len(names), "service")
    return f"{processes} of {kinds} run: {', '.join(names)}."


def warnings(system: Mapping[str, Any], settings: Iterable[SettingRow]) -> list[str]:
    """What may be a mistake, or may soon be one."""
    running = [each for each in system["services"] if each["state"] != "lost"]
    lost = [f"{each['service']} on {each['host']}" for each in system["services"] if each["state"] == "lost"]
    horizon, lag = timedelta(seconds=system["feed_horizon_age_seconds"]), system["relay_lag_events"]
    found = [
        (bool(lost), f"Not heard of for a minute, and not stopped in order: {_listed(lost)}."),
        (*_differing(running, "version", "versions"),),
        (*_differing(running, "tzdata", "time zone rules"),),
        (
            any(each["schema"] != system["schema"] for each in running),
            f"A service was made for another schema than the database’s, {system['schema']}.",
        ),
        (lag > _MUCH_LAG, f"The relay is {quantity(lag, 'event')} behind: messages to executors are late."),
        (
            horizon > _OLD_HORIZON,
            f"A transaction has been open for {short_duration(horizon)}: no reader of the log sees what came after it.",
        ),
        *((each.differs, f"Services differ in {each.name}.") for each in settings),
    ]
    return [sentence for applies, sentence in found if applies]


def _differing(services: Iterable[Mapping[str, Any]], name: str, noun: str) -> tuple[bool, str]:
    values = sorted({each[name] for each in services})
    return len(values) > 1, f"Services have different {noun}: {_listed(values)}."


def _listed(values: Sequence[str], most: int = 5) -> str:
    rest = f" and {len(values) - most} more" if len(values) > most else ""
    return ", ".join(values[:most]) + rest


def _service(service: Mapping[str, Any]) -> ServiceRow:
    names = ("service", "host", "version", "schema", "tzdata", "state", "started_at", "seen_at")
    return ServiceRow(id=str(service["id"]), **{name: service[name] for name in names})


def _facts(system: Mapping[str, Any]) -> list[tuple[str, str]]:
    horizon = timedelta(seconds=system["feed_horizon_age_seconds"])
    return [
        ("relay behind the log", quantity(system["relay_lag_events"], "event")),
        ("oldest open transaction", short_duration(horizon) if horizon else "none"),
        ("schema", system["schema"]),
        ("PostgreSQL", system["postgres"]),
    ]


def _table(table: Mapping[str, Any], largest: int) -> TableRow:
    text = size(table["bytes"])
    return TableRow(table["name"], count(table["rows"]), text, gauge(table["bytes"], largest + 1, text))


def _archive(archive: Mapping[str, Any]) -> ArchiveRow:
    same = {name: archive[name] for name in ("period", "digest", "address", "archived_at")}
    return ArchiveRow(events=count(archive["events"]), size=size(archive["bytes"]), **same)


def _archived(archives: Mapping[str, Any]) -> str:
    if not archives["count"]:
        return "nothing has left"
    events = quantity(archives["events"], "event")
    return f"{quantity(archives['count'], 'period')} with {events} in {size(archives['bytes'])}"


def size(number: int) -> str:
    """Like `8.2 MB`: powers of 1024, three digits at most."""
    value, unit = float(number), 0
    while value >= 1000 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.0f} {_UNITS[unit]}" if value >= 10 or unit == 0 else f"{value:.1f} {_UNITS[unit]}"


def setting_row(setting: Mapping[str, Any]) -> SettingRow:
    values, differs = setting["values"], len(setting["values"]) > 1
    shown = [Value(_text(each["value"]), ", ".join(each["services"]) if differs else "") for each in values]
    return SettingRow(setting["name"], shown)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return cut(", ".join(map(str, value)), 300) or "none"
    return "none" if value is None or value == "" else cut(str(value), 300)
