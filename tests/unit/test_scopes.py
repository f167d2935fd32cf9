"""What scopes allow."""

from duebook_common.scopes import Scope, allowed, unknown


def test_a_scope_allows_itself_and_no_other_but_that_of_everything_all() -> None:
    for held in Scope:
        for needed in Scope:
            assert allowed([held], needed) == (held in {needed, "*"})


def test_words_that_are_no_scopes_allow_nothing() -> None:
    words = ["jobs", "all", "admin", "read", "jobs:*", "JOBS:READ", ""]
    assert not any(allowed(words, needed) for needed in Scope)
    assert unknown([*words, *Scope]) == words
