"""The text of a digest: counts by cause and job, with links, and no more lines than a reader takes in."""

from uuid import UUID

from duebook_common.domain.mail import Mail, MailHeld, evolve
from duebook_notifier.digest_text import ErrorGroup, digest_text
from duebook_notifier.links import NO_LINKS, Links
from duebook_notifier.mail_text import Line
from support.samples import NOW

JOBS = [UUID(int=n) for n in range(60)]
NAMES = {job_id: f"job {n}" for n, job_id in enumerate(JOBS)}
LINKS = Links("https://duebook.example.com")
GROUP = ErrorGroup("0123456789abcdef", "got 503 from b.example.com:443\nmaintenance", 12, 2, NOW)


def held(job_id: UUID, outcome: str, number: int) -> list[Mail]:
    event = MailHeld(outcome=f"{outcome}-3", recipient="a@example.com", message_id="<1@d>", until=NOW, at=NOW)
    return [evolve(None, UUID(int=1000 + n), job_id, 1, event) for n in range(number)]


def test_a_digest_counts_outcomes_by_job_the_most_first() -> None:
    mails = [*held(JOBS[0], "succeeded", 1), *held(JOBS[1], "dead_lettered", 12), *held(JOBS[1], "succeeded", 3)]
    text = digest_text(mails, NAMES, LINKS)
    assert text.headline + text.why == "16 more outcomes of 2 jobs: 12 given up, 4 succeeded."
    (by_job,) = text.sections
    assert by_job.lines == (
        Line(15, "job 1", "12 given up, 3 succeeded", f"https://duebook.example.com/console/jobs/{JOBS[1]}"),
        Line(1, "job 0", "succeeded", f"https://duebook.example.com/console/jobs/{JOBS[0]}"),
    )


def test_a_digest_counts_dead_letters_by_cause_and_leads_to_them() -> None:
    text = digest_text(held(JOBS[0], "dead_lettered", 12), NAMES, LINKS, [GROUP])
    url = "https://duebook.example.com/console/dead-letters"
    assert [link.url for link in text.links] == [url]
    assert text.sections[0].lines == (
        Line(
            12,
            "got 503 from b.example.com:443",
            "2 jobs, since 2026-11-24 01:00 UTC",
            f"{url}?fingerprint=0123456789abcdef",
        ),
    )


def test_without_a_public_url_a_digest_names_the_commands() -> None:
    text = digest_text(held(JOBS[0], "failed", 1), {}, NO_LINKS, [GROUP])
    assert text.headline + text.why == "1 more outcome of 1 job: 1 failed and retried."
    causes, jobs = text.sections
    assert causes.lines[0].link == "duebook dead-letter list --fingerprint 0123456789abcdef"
    assert jobs.lines == (Line(1, str(JOBS[0]), "failed and retried", f"duebook job show {JOBS[0]}"),)
    assert text.links == ()


def test_a_digest_about_many_jobs_sums_up_the_rest() -> None:
    mails = [mail for job_id in JOBS for mail in held(job_id, "skipped", 2)]
    (by_job,) = digest_text(mails, NAMES).sections
    assert len(by_job.lines) == 51
    assert by_job.lines[-1] == Line(20, "10 other jobs", "skipped")


def test_a_name_stays_one_line() -> None:
    (by_job,) = digest_text(held(JOBS[0], "succeeded", 1), {JOBS[0]: "a\r\nb\u2028c"}).sections
    assert by_job.lines[0].text == "a b c"
