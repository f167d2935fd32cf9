"""How a key is read off a request."""

import pytest

from duebook_api.access.api_keys import bearer


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        (["Bearer abc"], "abc"),
        (["bearer abc"], "abc"),
        (["BEARER   abc  "], "abc"),
        ([], None),
        ([""], None),
        (["Bearer"], None),
        (["Bearer  "], None),
        (["abc"], None),
        (["Bearerabc"], None),
        (["Bearer\tabc"], None),
        (["Basic abc"], None),
        (["Bearer abc", "Bearer abc"], None),
        (["Bearer abc", ""], None),
    ],
)
def test_a_token_stands_behind_bearer_in_the_one_header(headers: list[str], token: str | None) -> None:
    assert bearer(headers) == token
