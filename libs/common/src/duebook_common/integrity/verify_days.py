"""Invariant 8: the events of each day that is over are those that its line covers, and the lines form a chain."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date

from duebook_common.domain.day_hash import DayLine, DepartedDay, EventSet, line_of
from duebook_common.integrity.breach import Breach, Invariant
from duebook_common.integrity.verified import Verified
from duebook_common.store.database import Connection, Pool, snapshot
from duebook_common.store.day_lines import DAY, departed, lines


async def check_days(
    db: Connection,
    parts: Iterable[Mapping[date, EventSet]],
    kept: DayLine | None = None,
    since: Verified | None = None,
) -> list[Breach]:
    """Compare the lines of all days with their events, of which each part has some.

    `kept`: a line that was kept elsewhere, which must be one of them. With `since` only the days after the line that
    signs it are compared, and that line must be one of them.
    """
    written, gone = await lines(db), await departed(db)
    breaches = [*check_chain(written, gone)]
    if kept is not None and kept not in [line for line, _ in written]:
        breaches.append(_breach(kept, "the line that was kept elsewhere is not in the chain"))
    verified = signing_line((line for line, _ in written), since)
    if since is not None and since.line is not None and verified is None:
        says = "the line up to which the log was verified is not in the chain: run `duebook verify`"
        breaches.append(Breach(Invariant.APPEND_ONLY, "days", says))
    found: dict[date, EventSet] = {}
    left = ({each.day: each.events} for days in gone.values() for each in days)
    for some in (*parts, *left):
        for day, events in some.items():
            found.setdefault(day, EventSet()).include(events)
    for line, events in written:
        if verified is not None and line.day <= verified.day:
            continue
        if not events.same(found.get(line.day, EventSet())):
            breaches.append(_breach(line, _difference(line, found.get(line.day, EventSet()))))
    return breaches


def signing_line(written: Iterable[DayLine], since: Verified | None) -> DayLine | None:
    """The line that signs the checkpoint; None without one."""
    return next((line for line in written if since is not None and line.hash == since.line), None)


async def written_lines(pool: Pool) -> list[DayLine]:
    """The lines of all days that are over, oldest first."""
    async with snapshot(pool) as db:
        return [line for line, _ in await lines(db)]


def check_chain(
    written: list[tuple[DayLine, EventSet]], gone: Mapping[date | None, list[DepartedDay]]
) -> Iterator[Breach]:
    """Each line follows from its day's events, from what has left, and from the line before. No day is left out."""
    before: DayLine | None = None
    for line, events in written:
        if before is not None and line.day != before.day + DAY:
            yield _breach(line, f"follows {before.day}: lines are missing")
        if line_of(line.day, events, before, gone.get(line.day, [])) != line:
            yield _breach(line, "the line does not follow from its events and from the line before")
        before = line


def _difference(line: DayLine, found: EventSet) -> str:
    if line.events != found.events:
        return f"has {found.events:,} events, and its line covers {line.events:,}"
    return "its events were changed since its line was written"


def _breach(line: DayLine, says: str) -> Breach:
    return Breach(Invariant.APPEND_ONLY, f"day {line.day}", says)
