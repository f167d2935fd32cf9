"""What an edited text changes of a job, as a merge patch."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duebook.cli.failures import Failure
from duebook.cli.job_edit import merge_patch
from duebook_api.jobs.patch import merged

LEAVES = (
    st.booleans() | st.integers(0, 2) | st.floats(0, 1) | st.text("ab", max_size=1) | st.lists(st.none(), max_size=2)
)
OBJECTS = st.recursive(LEAVES, lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3), max_leaves=6)
FIELDS = st.dictionaries(st.sampled_from(["name", "payload", "tags"]), OBJECTS)


@given(FIELDS, FIELDS)
def test_the_patch_makes_the_one_the_other(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Merged as the api merges it."""
    assert merged(before, merge_patch(before, after)) == after
    assert merge_patch(after, after) == {}


def test_a_field_without_its_line_gets_its_default() -> None:
    assert merge_patch({"name": "a", "queue": "mail"}, {"name": "a"}) == {"queue": None}


def test_another_recurrence_is_sent_whole() -> None:
    assert merge_patch({"recurrence": {"every": "PT1M"}}, {"recurrence": {"cron": "0 2 * * *"}}) == {
        "recurrence": {"cron": "0 2 * * *"}
    }


def test_a_field_may_become_null_and_a_member_may_not() -> None:
    assert merge_patch({"ends_at": "2030-01-01T00:00:00Z"}, {"ends_at": None}) == {"ends_at": None}
    with pytest.raises(Failure, match="/payload/a: a change cannot make a member null"):
        merge_patch({"payload": {"a": 1}}, {"payload": {"a": None}})
    assert merge_patch({"payload": {"a": None, "b": 1}}, {"payload": {"a": None, "b": 2}}) == {"payload": {"b": 2}}
