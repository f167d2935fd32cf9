"""Which scopes grant which."""

from duebook_common.runtime.scopes import Scope, allowed


def test_a_scope_grants_itself_a_verb_all_of_its_kind_and_a_star_everything() -> None:
    for held in Scope:
        for needed in Scope:
            of_all_kinds = held in {"read", "write"} and needed.endswith(f":{held}")
            assert allowed([held], needed) == (held in {needed, "*"} or of_all_kinds)


def test_words_that_are_no_scopes_grant_nothing() -> None:
    words = ["jobs", "all", "admin", "reading", "jobs:*", "JOBS:READ", ""]
    assert not any(allowed(words, needed) for needed in Scope)
