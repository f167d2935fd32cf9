"""The settings of the api, from environment variables."""

import pytest

from duebook_api.settings import ApiSettings
from duebook_common.runtime.settings import load

REQUIRED = {"DUEBOOK_POSTGRES_URL": "postgresql://x/y", "DUEBOOK_REDIS_URL": "redis://x"}


def test_keys_are_required_but_can_be_switched_off_on_loopback() -> None:
    assert load(ApiSettings, REQUIRED).auth == "required"
    for host in ("127.0.0.1", "::1", "localhost"):
        assert load(ApiSettings, REQUIRED | {"DUEBOOK_AUTH": "off", "DUEBOOK_HOST": host}).auth == "off"


@pytest.mark.parametrize("key", ["schlüssel", " key", "key\n", "a\tb"])
def test_a_first_key_that_does_not_fit_into_a_header_is_refused(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        load(ApiSettings, REQUIRED | {"DUEBOOK_API_KEY": key})
    [line] = capsys.readouterr().err.splitlines()
    assert "DUEBOOK_API_KEY" in line
    assert "schlüssel" not in line


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "duebook.example.com"])
def test_keys_cannot_be_switched_off_on_other_addresses(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        load(ApiSettings, REQUIRED | {"DUEBOOK_AUTH": "off", "DUEBOOK_HOST": host})
    [line] = capsys.readouterr().err.splitlines()
    assert "DUEBOOK_AUTH" in line
