"""The settings of the api, from environment variables."""

import pytest

from duebook_api.console.config import ConsoleConfig
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


@pytest.mark.parametrize("url", ["", "https://tempo.example.com/trace/{trace_id}", "http://[::1]:3000?id={trace_id}#a"])
def test_a_template_of_a_url_links_to_traces(url: str) -> None:
    config = ConsoleConfig(trace_url=load(ApiSettings, REQUIRED | {"DUEBOOK_TRACE_URL": url}).trace_url)
    assert config.trace_of("0af7") == url.replace("{trace_id}", "0af7")
    assert '"' not in config.trace_of('"><script>')


@pytest.mark.parametrize(
    "url",
    [
        "https://tempo.example.com/trace",
        "https://{trace_id}.example.com/",
        "https://a/{trace_id}/{trace_id}",
        "https://a/{trace_id}/{run_id}",
        "javascript:alert(1)//{trace_id}",
        'https://a/"onclick={trace_id}',
        "https://a/ b/{trace_id}",
        "tempo.example.com/{trace_id}",
    ],
)
def test_another_template_of_a_trace_is_refused_by_name(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        load(ApiSettings, REQUIRED | {"DUEBOOK_TRACE_URL": url})
    [line] = capsys.readouterr().err.splitlines()
    assert "DUEBOOK_TRACE_URL" in line
    assert "https://tempo.example.com/trace/{trace_id}" in line
