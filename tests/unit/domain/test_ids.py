"""Identifiers derived from names agree with the standard library's."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from duebook_common.domain.ids import uuid5


@given(st.uuids(), st.text())
def test_an_id_is_the_version_5_uuid_of_the_standard_library(namespace: uuid.UUID, name: str) -> None:
    assert uuid5(namespace, name) == uuid.uuid5(namespace, name)
    assert uuid5(namespace, name).version == 5
