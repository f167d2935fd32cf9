"""Identifiers derived from names agree with the standard library's."""

import uuid
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from duebook_common.domain.ids import ordered_uuid, uuid5

TIMES = st.integers(0, 2**48 - 1).map(lambda ms: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms / 100))


@given(st.uuids(), st.text())
def test_an_id_is_the_version_5_uuid_of_the_standard_library(namespace: uuid.UUID, name: str) -> None:
    assert uuid5(namespace, name) == uuid.uuid5(namespace, name)
    assert uuid5(namespace, name).version == 5


@given(st.uuids(), st.text(), TIMES, TIMES)
def test_an_ordered_id_sorts_by_its_time(namespace: uuid.UUID, name: str, at: datetime, other: datetime) -> None:
    ids = ordered_uuid(at, namespace, name), ordered_uuid(other, namespace, name)
    assert {id_.version for id_ in ids} == {8}
    assert {id_.variant for id_ in ids} == {uuid.RFC_4122}
    if abs(at - other) >= timedelta(milliseconds=1):
        assert (ids[0] < ids[1]) == (at < other)


@given(st.uuids(), st.uuids(), st.text(), st.text(), st.datetimes(timezones=st.just(UTC)))
def test_ordered_ids_differ_by_name_and_namespace(
    namespace: uuid.UUID, other: uuid.UUID, name: str, another: str, at: datetime
) -> None:
    same = (namespace, name) == (other, another)
    assert (ordered_uuid(at, namespace, name) == ordered_uuid(at, other, another)) is same
