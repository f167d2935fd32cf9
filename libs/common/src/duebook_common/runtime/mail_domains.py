"""DUEBOOK_MAIL_DOMAINS: the domains that mails may go to."""

from collections.abc import Iterable
from dataclasses import dataclass

from duebook_common.domain.addresses import mailable


@dataclass(frozen=True, slots=True)
class MailDomains:
    """The allowed domains; none means all. `*.example.com` allows each domain below example.com."""

    allowed: frozenset[str] = frozenset()

    def must_allow(self, address: str) -> None:
        """Raises ValueError for an address that cannot be mailed or whose domain is not allowed."""
        domain = mailable(address).rpartition("@")[2].lower()
        if not self.allowed or domain in self.allowed:
            return
        if not any(name.startswith("*.") and domain.endswith(name[1:]) for name in self.allowed):
            raise ValueError(f"mails to {domain} are not allowed here; DUEBOOK_MAIL_DOMAINS names the domains that are")


ALL_DOMAINS = MailDomains()


def mail_domains(names: Iterable[str]) -> MailDomains:
    """Raises ValueError for what is not a domain."""
    return MailDomains(frozenset(map(_domain, names)))


def _domain(name: str) -> str:
    below, plain = ("*.", name[2:]) if name.startswith("*.") else ("", name)
    try:
        return below + mailable(f"x@{plain}").rpartition("@")[2].lower()
    except ValueError:
        raise ValueError(f"{name!r} is not a domain; write it like example.com or *.example.com") from None
