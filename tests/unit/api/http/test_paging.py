"""Query parameters, and cursors: each is decoded to what was encoded, and any other text is refused."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from duebook_api.http.paging import (
    JOBS,
    JOBS_BY_NAME,
    RUNS_BY_DUE_TIME,
    PageQuery,
    decode_cursor,
    encode_cursor,
    integer_between,
    query,
)
from duebook_api.http.problems import Problem
from duebook_api.runs.run_list import RunQuery
from support.samples import JOB_ID, NOW

FIRST = PageQuery()


def page(cursor: str) -> PageQuery:
    return PageQuery.model_construct(cursor=cursor)


@given(st.datetimes(datetime(1970, 1, 1), datetime(9998, 12, 31)), st.uuids())  # noqa: DTZ001 - made aware below
def test_a_cursor_is_decoded_to_what_was_encoded(time: datetime, id_: UUID) -> None:
    assert JOBS.decode(page(encode_cursor(FIRST, time.replace(tzinfo=UTC), id_))) == (time.replace(tzinfo=UTC), id_)


SOME = UUID(int=7)


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "!!!!",
        "é",
        "MjAyNg",
        encode_cursor(FIRST, "x", "y"),
        encode_cursor(FIRST, datetime(2026, 1, 1, tzinfo=UTC)),
        encode_cursor(FIRST, datetime(2026, 1, 1, tzinfo=UTC), SOME, "more"),
        encode_cursor(FIRST, datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=1))), SOME),
        encode_cursor(FIRST, datetime(2026, 1, 1), SOME),  # noqa: DTZ001 - that is the point
        encode_cursor(FIRST, datetime(1, 1, 1, tzinfo=UTC), SOME),
        encode_cursor(FIRST, "2026-01-01T00:00:00+00:00\0", SOME),
    ],
)
def test_no_other_text_is_a_cursor(cursor: str) -> None:
    with pytest.raises(Problem) as caught:
        JOBS.decode(page(cursor))
    assert (caught.value.status, caught.value.faults[0].pointer) == (422, "/cursor")


@given(st.text())
def test_any_text_is_a_cursor_or_a_problem(text: str) -> None:
    with suppress(Problem):
        decode_cursor(page(text), integer_between(0, 10), str)


def test_a_number_beyond_its_column_is_no_cursor() -> None:
    assert decode_cursor(page(encode_cursor(FIRST, 10)), integer_between(0, 10)) == (10,)
    for number in (11, -1, "٣", " 3", "1_0"):
        with pytest.raises(Problem):
            decode_cursor(page(encode_cursor(FIRST, number)), integer_between(0, 10))


def request(text: str, path: str = "/api/run") -> Request:
    return Request({"type": "http", "path": path, "query_string": text.encode(), "headers": []})


def test_a_cursor_of_another_list_is_refused() -> None:
    cursor = encode_cursor(query(request("limit=2", "/api/job/A/events"), PageQuery), 7)
    for path, limit in (("/api/job/A/events", 9), ("/api/job/a/events", 2)):
        assert decode_cursor(query(request(f"limit={limit}&cursor={cursor}", path), PageQuery), int) == (7,)
    for path in ("/api/job/B/events", "/api/run/A/events", "/api/job"):
        with pytest.raises(Problem) as caught:
            decode_cursor(query(request(f"cursor={cursor}", path), PageQuery), int)
        assert (caught.value.status, caught.value.faults[0].pointer) == (422, "/cursor")


def test_a_query_is_read() -> None:
    q = query(request("limit=200&status=running&queue=a%20b"), RunQuery)
    assert (q.limit, q.status, q.queue, q.cursor) == (200, ("running",), "a b", None)
    assert query(request(""), PageQuery).limit == 50


@pytest.mark.parametrize("text", ["status=running&status=waiting", "status=running,waiting"])
def test_several_values_are_repeated_or_stand_between_commas(text: str) -> None:
    assert query(request(text), RunQuery).status == ("running", "waiting")


def test_a_cursor_of_another_order_is_refused() -> None:
    cursor = encode_cursor(query(request("sort=due_at"), RunQuery), NOW, JOB_ID)
    assert RUNS_BY_DUE_TIME.decode(query(request(f"sort=due_at&cursor={cursor}"), RunQuery)) == (NOW, JOB_ID)
    with pytest.raises(Problem):
        RUNS_BY_DUE_TIME.decode(query(request(f"sort=-due_at&cursor={cursor}"), RunQuery))


def test_a_cursor_may_hold_a_name_with_any_character() -> None:
    q = PageQuery(cursor=encode_cursor(PageQuery(), "a|b|", NOW, JOB_ID))
    assert JOBS_BY_NAME.decode(q) == ("a|b|", NOW, JOB_ID)


@pytest.mark.parametrize(
    ("text", "pointer"),
    [
        ("limit=0", "/limit"),
        ("limit=201", "/limit"),
        ("limit=1.0", "/limit"),
        ("limit=+1", "/limit"),
        ("limit=", "/limit"),
        ("limit=1&limit=1", "/limit"),
        ("status=asleep", "/status/0"),
        ("status=running,,waiting", "/status/1"),
        ("trigger=manual&trigger=manual", "/trigger"),
        ("due_from=yesterday", "/due_from"),
        ("sort=name", "/sort"),
        ("job_id=1", "/job_id"),
        ("nope=1", "/nope"),
        ("queue=%00", "/queue"),
    ],
)
def test_a_wrong_query_is_refused_with_the_name_of_the_parameter(text: str, pointer: str) -> None:
    with pytest.raises(Problem) as caught:
        query(request(text), RunQuery)
    assert [fault.pointer for fault in caught.value.faults] == [pointer]
