"""The token of a request."""

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
def test_the_token_follows_bearer_in_the_only_authorization_header(headers: list[str], token: str | None) -> None:
    assert bearer(headers) == token
