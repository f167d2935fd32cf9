from uuid import UUID

from duebook_api.console.pages.words import host_of, named, short_name


def test_the_name_of_an_executor_is_shown_with_a_short_id() -> None:
    assert short_name(f"worker-1/{UUID(int=7)}") == "worker-1/0000…0007"
    assert short_name(f"executor worker-1/{UUID(int=7)}") == "executor worker-1/0000…0007"
    for other in ("key:ops", "scheduler worker-1", "a/b", ""):
        assert short_name(other) == host_of(other) == other


def test_a_narrow_column_has_the_host_of_an_executor() -> None:
    assert host_of(f"worker-1/{UUID(int=7)}") == "worker-1"


def test_a_name_without_a_visible_character_has_words() -> None:
    assert named("nightly \u202ereport") == "nightly \u202ereport"
    for blank in (" ", "\u200b\u2060", "\u202e", "\n\t"):
        assert named(blank) == "(name without a visible character)"
