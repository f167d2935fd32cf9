"""DUEBOOK_MAIL_DOMAINS: where mails may go."""

import pytest

from duebook_common.runtime.mail_domains import ALL_DOMAINS, mail_domains


def test_without_domains_all_are_allowed() -> None:
    ALL_DOMAINS.must_allow("a@example.com")


@pytest.mark.parametrize(
    "address", ["a@example.com", "a@Example.COM", "a@eu.example.org", "a@b.eu.example.org", "a@ÄÖ.de"]
)
def test_an_allowed_domain_is_exact_or_below_a_star(address: str) -> None:
    mail_domains(["Example.com", "*.example.org", "äö.de"]).must_allow(address)


@pytest.mark.parametrize(
    "address", ["a@sub.example.com", "a@example.org", "a@evilexample.org", "a@example.com.evil.net"]
)
def test_any_other_domain_is_refused_with_the_setting(address: str) -> None:
    with pytest.raises(ValueError, match="DUEBOOK_MAIL_DOMAINS"):
        mail_domains(["example.com", "*.example.org"]).must_allow(address)


@pytest.mark.parametrize("name", ["", "a@b", "*", "*.", "exam ple.com", "*.*.com"])
def test_what_is_no_domain_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"is not a domain; write it like example\.com"):
        mail_domains([name])
