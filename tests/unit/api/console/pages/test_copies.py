import shlex

from hypothesis import given
from hypothesis import strategies as st

from duebook_api.console.pages.copies import command, curl


def test_a_request_reads_its_key_from_the_environment() -> None:
    text = curl("http://h/api/job/1/pause", "POST", {"reason": "it's late"})
    assert '"Authorization: Bearer $DUEBOOK_API_KEY"' in text
    assert shlex.split(text)[-2:] == ['{"reason":"it\'s late"}', "http://h/api/job/1/pause"]


def test_without_keys_a_request_names_none() -> None:
    assert curl("http://h/api/job", needs_key=False) == "curl -sS http://h/api/job"


@given(st.lists(st.text(min_size=1).filter(lambda text: "\0" not in text)))
def test_a_command_line_is_read_by_a_shell_as_the_same_words(words: list[str]) -> None:
    assert shlex.split(command(*words)) == ["duebook", *words]
