"""A client with many recipients and hostile names delays no mail of another one, and forges nothing."""

import time
from email.message import EmailMessage

import pytest

from support.fleet import Platform, eventually
from support.silence import measured_silence
from support.smtp_server import Mailbox

pytestmark = pytest.mark.xdist_group("hostile")  # one after the other: two at once would be measured together

MIB = 1024 * 1024
JOBS, RECIPIENTS = 15, 100
# Both decode to `ok` and a header `Reply-To: evil@example.com`.
FORGED = ("=?utf-8?b?b2sNClJlcGx5LVRvOiBldmlsQGV4YW1wbGUuY29t?=", "=?utf-8?q?ok=0D=0AReply-To:_evil@example.com?=")
HEADERS = {
    "From", "To", "Subject", "Message-ID", "Date", "Auto-Submitted", "MIME-Version", "Content-Type", "X-Peer",
    "X-MailFrom", "X-RcptTo",
}  # fmt: skip


class Victim:
    """Another client: a `log` job with one mail."""

    def __init__(self, platform: Platform, smtp: Mailbox) -> None:
        self._platform, self._smtp, self._mails = platform, smtp, 0

    def seconds(self) -> float:
        """The time from the request until the mail has arrived."""
        self._mails += 1
        started = time.monotonic()
        self._platform.create(name="victim", notify={"to": ["victim@example.com"]})
        eventually(lambda: sum(mail["To"] == "victim@example.com" for mail in self._smtp.messages) == self._mails)
        return time.monotonic() - started


def test_many_recipients_and_forged_names_harm_no_other_client(platform: Platform, smtp: Mailbox) -> None:
    platform.start_all(DUEBOOK_MAIL_LIMIT="10/PT10M")
    victim = Victim(platform, smtp)
    alone = sorted(victim.seconds() for _ in range(3))[1]
    notify = {"to": [f"r{n}@example.com" for n in range(RECIPIENTS)]}
    jobs = [{"name": f"{FORGED[n % 2]} {n}", "notify": notify} for n in range(JOBS)]
    with measured_silence(platform["notifier", 0].port) as silence:
        platform.api.post("/api/job/batch", json={"jobs": jobs}).raise_for_status()
        eventually(lambda: len(of_flood(smtp)) >= 20)
        flooded, sent_meanwhile = victim.seconds(), len(of_flood(smtp))
        eventually(lambda: held(platform) == (JOBS - 10) * RECIPIENTS, 240, lambda: f"{held(platform)} mails are held")
    print(f"alone {alone:.3f} s, under the flood {flooded:.3f} s, silence {silence.seconds:.3f} s")
    assert sent_meanwhile < 5 * RECIPIENTS  # the victim's mail did not wait for half of the others
    assert silence.seconds < silence.limit
    assert metric(platform, "process_resident_memory_bytes") < 200 * MIB
    eventually(lambda: len(of_flood(smtp)) == 10 * RECIPIENTS, 240, lambda: f"{len(of_flood(smtp))} mails were sent")
    for mail in of_flood(smtp):
        assert {*mail.keys()} <= HEADERS
        assert "= ?utf-8?" in mail["Subject"]


def of_flood(smtp: Mailbox) -> list[EmailMessage]:
    return [mail for mail in smtp.messages if mail["To"] != "victim@example.com"]


def held(platform: Platform) -> float:
    return metric(platform, 'duebook_notifications_total{outcome="held"}')


def metric(platform: Platform, name: str) -> float:
    """A metric of the notifier; 0 where it has no value yet."""
    lines = platform.api.get(platform["notifier", 0].url + "/metrics").text.splitlines()
    return next((float(line.split()[1]) for line in lines if line.startswith(name)), 0)
