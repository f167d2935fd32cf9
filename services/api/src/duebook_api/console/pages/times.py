"""The one place that renders times: absolute with the offset, and relative beside it, in the reader's zone."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from markupsafe import Markup

from duebook_api.console.pages.markup import fill
from duebook_common.runtime.phrases import short_duration

JOBS_ZONE = "job"  # the reader's choice that each time is shown in its job's zone


@dataclass(frozen=True, slots=True)
class Times:
    """Renders times for one reader. `zone` is an IANA name or `JOBS_ZONE`; `own_zone` is that of the browser."""

    now: datetime
    zone: str = "UTC"
    own_zone: str | None = None

    def info(self, job_zone: str | None = None) -> ZoneInfo:
        """The zone in which a time of a job with this zone is shown, and without one the axes of drawings."""
        if self.zone == JOBS_ZONE:
            return ZoneInfo(job_zone or self.own_zone or "UTC")
        return ZoneInfo(self.zone)

    def local(self, at: datetime, job_zone: str | None = None) -> datetime:
        return at.astimezone(self.info(job_zone))

    def at(self, now: datetime) -> "Times":
        """For a page that shows things as they stood at an earlier instant."""
        return Times(now, self.zone, self.own_zone)

    def text(self, at: datetime, job_zone: str | None = None, *, seconds: bool = False) -> str:
        """Like `Thu 26 Nov 02:00 +01:00`; with the year unless it is the present one."""
        local, today = self.local(at, job_zone), self.local(self.now, job_zone)
        year = "" if local.year == today.year else f" {local.year}"
        clock = f"{local:%H:%M:%S}" if seconds or local.second else f"{local:%H:%M}"
        return f"{local:%a} {local.day} {local:%b}{year} {clock} {offset(local)}"

    def absolute(self, at: datetime | None, job_zone: str | None = None, *, seconds: bool = False) -> Markup:
        """The time as `<time>`; a dash for none."""
        if at is None:
            return fill('<span class="none" title="none">–</span>')
        at = at.astimezone(UTC)
        return fill(
            '<time datetime="{}" title="{}">{}</time>',
            iso(at),
            f"{iso(at)} · {relative(at, self.now)}",
            self.text(at, job_zone, seconds=seconds),
        )

    def moment(self, at: datetime | None, job_zone: str | None = None, *, seconds: bool = False) -> Markup:
        """The time as `<time>`, and how far away it is, which the browser keeps up to date."""
        absolute = self.absolute(at, job_zone, seconds=seconds)
        return absolute if at is None else absolute + fill(" {}", self.distance(at))

    def distance(self, at: datetime | None) -> Markup:
        """How far away the time is, with the time itself as its title."""
        if at is None:
            return self.absolute(None)
        template = '<relative-time class="soft" at="{}" title="{}">{}</relative-time>'
        return fill(template, iso(at.astimezone(UTC)), self.text(at, seconds=True), relative(at, self.now))

    @property
    def label(self) -> str:
        """The choice of the zone, as the bar shows it."""
        return "job’s zone" if self.zone == JOBS_ZONE else f"{self.zone} {offset(self.local(self.now))}"


def iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def offset(local: datetime) -> str:
    """Like `+01:00`."""
    text = local.strftime("%z")
    return f"{text[:3]}:{text[3:5]}"


def relative(at: datetime, now: datetime) -> str:
    """Like `in 22 h 48 min` or `3 days ago`."""
    seconds = (at - now).total_seconds()
    if abs(seconds) < 1:
        return "now"
    span = short_duration(timedelta(seconds=abs(seconds)))
    return f"in {span}" if seconds > 0 else f"{span} ago"


def rough(span: timedelta) -> str:
    """One unit, for a narrow place: `9.7 s`, `2 min`, `22 h`, `4 days`."""
    first, unit = short_duration(span).split()[:2]
    return f"{first} {unit}"
