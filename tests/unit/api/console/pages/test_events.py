from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from duebook_api.console.pages.events import (
    TYPES,
    event_rows,
    facts,
    page_in_navigation,
    path_of,
    type_in_words,
    type_options,
    without_payloads,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def event(stream: str = "run-1", data: Any = None) -> dict[str, Any]:
    now = datetime(2026, 11, 26, 2, tzinfo=UTC)
    meta = {"actor": "scheduler"}
    return {
        "position": "1-1-0",
        "stream": stream,
        "type": "AttemptFailed",
        "data": data,
        "meta": meta,
        "recorded_at": now,
    }


def test_a_type_is_shown_in_words() -> None:
    assert type_in_words("AttemptStarted") == "Attempt started"
    assert type_in_words("Frozen") == "Frozen"


def test_the_filter_offers_the_events_of_all_streams() -> None:
    assert {"JobCreated", "AttemptFailed", "MailSent", "QueuePaused", "Frozen", "KeyMade", "BulkEnded"} <= set(TYPES)


def test_a_type_that_the_url_names_in_another_way_is_kept() -> None:
    assert type_options("JobPaused,JobResumed")[-1] == ("JobPaused,JobResumed",) * 2
    assert len(type_options("JobPaused")) == len(TYPES) + 1


def test_an_event_leads_to_what_it_happened_to() -> None:
    assert path_of("run", "7") == "/console/runs/7"
    assert path_of("mail", "7") == "/console/runs/7"
    assert path_of("queue", "mail") == "/console/queues"
    assert path_of("installation", "") == "/console/queues"
    assert path_of("key", "7") == "/console/keys"
    assert path_of("unknown", "7") == page_in_navigation("unknown") == ""
    assert page_in_navigation("run") == "/console/runs"


def test_the_first_simple_values_stand_beside_an_event() -> None:
    assert facts({"attempt": 2, "executor": "executor vm"}) == "attempt 2 · executor vm"
    assert facts({"at": "now", "attempt": 2, "error": "boom", "run_id": "7", "retry": True}) == "attempt 2 · error boom"


def test_payloads_and_results_are_left_out_wherever_they_are() -> None:
    data = {"payload": 1, "result": 2, "definition": {"name": "a", "payload": 3}, "reason": "r"}
    assert without_payloads(data) == {"definition": {"name": "a"}, "reason": "r"}


@given(JSON, st.text())
def test_any_data_of_any_stream_is_shown(data: Any, stream: str) -> None:
    [row] = event_rows([event(stream, data)])
    assert row.type == "AttemptFailed"
    assert len(row.facts) < 1000 or isinstance(data, dict)
