from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duebook_api.console.pages.system import setting_row, size, system_page, warnings

NOW = datetime(2026, 11, 26, 2, tzinfo=UTC)


def service(**fields: Any) -> dict[str, Any]:
    names: dict[str, Any] = {"id": UUID(int=1), "service": "api", "host": "h", "version": "1", "schema": "0001"}
    return names | {"tzdata": "2026a", "state": "alive", "started_at": NOW, "seen_at": NOW} | fields


def system(*services: dict[str, Any], **fields: Any) -> dict[str, Any]:
    archives = {"count": 0, "events": 0, "bytes": 0, "kept_since": NOW, "newest": []}
    log: dict[str, Any] = {"archives": archives, "relay_lag_events": 0, "feed_horizon_age_seconds": 0.0}
    rest = {"at": NOW, "schema": "0001", "postgres": "17", "services": list(services), "settings": [], "tables": []}
    return rest | log | fields


def test_a_sound_installation_is_not_warned_of() -> None:
    page = system_page(system(service(), service(service="scheduler")))
    assert page.sentence == "2 processes of 2 services run: api, scheduler."
    assert page.warnings == []


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (system(service(state="lost", host="a")), "Not heard of for a minute"),
        (system(service(), service(version="2")), "different versions: 1, 2"),
        (system(service(), service(tzdata="2025b")), "different time zone rules"),
        (system(service(schema="0002")), "another schema"),
        (system(relay_lag_events=20_000), "20,000 events behind"),
        (system(feed_horizon_age_seconds=90.0), "open for 1 min 30 s"),
    ],
)
def test_each_danger_has_a_sentence(state: dict[str, Any], words: str) -> None:
    [sentence] = warnings(state, [])
    assert words in sentence


def test_archives_are_counted_and_the_newest_listed() -> None:
    assert system_page(system()).archived == "nothing has left"
    archive = {"number": 2, "period": "2026-08", "digest": "ab" * 32, "address": "/archive", "archived_at": NOW}
    newest = [archive | {"events": 1200, "bytes": 2048}]
    archives = {"count": 2, "events": 3000, "bytes": 5 * 1024**2, "kept_since": NOW, "newest": newest}
    page = system_page(system(archives=archives))
    assert page.archived == "2 periods with 3,000 events in 5.0 MB"
    [row] = page.archives
    assert (row.period, row.events, row.size) == ("2026-08", "1,200", "2.0 kB")


def test_settings_that_differ_name_the_services() -> None:
    values = [{"value": 200, "services": ["api"]}, {"value": 100, "services": ["scheduler", "executor"]}]
    row = setting_row({"name": "DUEBOOK_MAX_QUEUES", "values": values})
    assert [(value.text, value.services) for value in row.values] == [("200", "api"), ("100", "scheduler, executor")]
    assert warnings(system(), [row]) == ["Services differ in DUEBOOK_MAX_QUEUES."]


def test_each_process_listens_at_a_port_of_its_own() -> None:
    values = [{"value": 8000, "services": ["api"]}, {"value": 8001, "services": ["scheduler"]}]
    row = setting_row({"name": "DUEBOOK_PORT", "values": values})
    assert [value.services for value in row.values] == ["api", "scheduler"]
    assert warnings(system(), [row]) == []


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3)))
def test_any_value_of_a_setting_is_shown(value: Any) -> None:
    [shown] = setting_row({"name": "A", "values": [{"value": value, "services": ["api"]}]}).values
    assert shown.services == ""
    assert len(shown.text) <= 300


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (8192, "8.0 kB"), (5 * 2**30, "5.0 GB"), (2**60, "1048576 TB")],
)
def test_a_size_has_the_unit_in_which_it_can_be_read(number: int, text: str) -> None:
    assert size(number) == text
