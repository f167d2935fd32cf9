"""What the api's environment may say."""

import pytest

from duebook_api.settings import ApiSettings
from duebook_common.runtime.settings import load

NEEDED = {"DUEBOOK_POSTGRES_URL": "postgresql://x/y", "DUEBOOK_REDIS_URL": "redis://x"}


def test_keys_are_required_unless_said_otherwise_at_home() -> None:
    assert load(ApiSettings, NEEDED).auth == "required"
    for host in ("127.0.0.1", "::1", "localhost"):
        assert load(ApiSettings, NEEDED | {"DUEBOOK_AUTH": "off", "DUEBOOK_HOST": host}).auth == "off"


@pytest.mark.parametrize("key", ["schlüssel", " key", "key\n", "a\tb"])
def test_a_first_key_that_no_header_can_bear_is_refused(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        load(ApiSettings, NEEDED | {"DUEBOOK_API_KEY": key})
    [line] = capsys.readouterr().err.splitlines()
    assert "DUEBOOK_API_KEY" in line
    assert "schlüssel" not in line


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "duebook.example.com"])
def test_no_keys_are_refused_where_others_can_reach(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        load(ApiSettings, NEEDED | {"DUEBOOK_AUTH": "off", "DUEBOOK_HOST": host})
    [line] = capsys.readouterr().err.splitlines()
    assert "DUEBOOK_AUTH" in line
