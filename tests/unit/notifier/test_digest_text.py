"""The text of a digest: counts by job, with links, and no more lines than a reader takes in."""

from uuid import UUID

from duebook_common.domain.mail import Mail, MailHeld, evolve
from duebook_notifier.digest_text import digest_text
from duebook_notifier.links import NO_LINKS, Links
from support.samples import NOW

JOBS = [UUID(int=n) for n in range(60)]
NAMES = {job_id: f"job {n}" for n, job_id in enumerate(JOBS)}


def held(job_id: UUID, outcome: str, number: int) -> list[Mail]:
    event = MailHeld(outcome=f"{outcome}-3", recipient="a@example.com", message_id="<1@d>", until=NOW, at=NOW)
    return [evolve(None, UUID(int=1000 + n), job_id, 1, event) for n in range(number)]


def test_a_digest_counts_outcomes_by_job_the_most_first() -> None:
    mails = [*held(JOBS[0], "succeeded", 1), *held(JOBS[1], "dead_lettered", 12), *held(JOBS[1], "succeeded", 3)]
    text = digest_text(mails, NAMES, Links("https://duebook.example.com"))
    assert text.headline == "16 more outcomes of 2 jobs"
    assert [line.text for line in text.lines] == ["job 1: 12 given up, 3 succeeded", "job 0: 1 succeeded"]
    assert text.lines[0].link == f"https://duebook.example.com/console/jobs/{JOBS[1]}"


def test_without_a_public_url_a_digest_names_the_command() -> None:
    text = digest_text(held(JOBS[0], "failed", 1), {}, NO_LINKS)
    assert text.headline == "1 more outcome of 1 job"
    assert text.lines[0].text == f"{JOBS[0]}: 1 failed and retried"
    assert text.lines[0].link == f"duebook job show {JOBS[0]}"


def test_a_digest_about_many_jobs_sums_up_the_rest() -> None:
    mails = [mail for job_id in JOBS for mail in held(job_id, "skipped", 2)]
    lines = digest_text(mails, NAMES, NO_LINKS).lines
    assert len(lines) == 51
    assert lines[-1].text == "10 other jobs: 20 outcomes"


def test_a_name_stays_one_line() -> None:
    text = digest_text(held(JOBS[0], "succeeded", 1), {JOBS[0]: "a\r\nb\u2028c"}, NO_LINKS)
    assert text.lines[0].text == "a b c: 1 succeeded"
