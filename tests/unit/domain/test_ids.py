from uuid import UUID, uuid5

from hypothesis import given
from hypothesis import strategies as st

from duebook_common.domain.ids import named


@given(st.uuids(), st.text())
def test_a_name_has_the_uuid_that_anybody_else_would_give_it(space: UUID, name: str) -> None:
    assert named(space, name) == uuid5(space, name)
    assert named(space, name).version == 5
