"""The sizes that keep mails that are due moving while a mail server stalls."""

from duebook_common.runtime.smtp import MAIL_SECONDS
from duebook_notifier import mail_sender, outcome_mailer


def test_a_due_batch_of_a_stalled_server_is_over_within_five_minutes() -> None:
    assert outcome_mailer._DUE_BATCH / mail_sender._AT_ONCE * MAIL_SECONDS <= 5 * 60
