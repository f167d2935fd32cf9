"""What the figures of a soak mean, and what is in no table."""

from collections.abc import Iterator, Sequence

from benchmarks.soak.report import Soak, examined
from benchmarks.soak.samples import FIRST_LINE, RECORDED, percentile
from benchmarks.soak.slopes import SHARE

_LATENESS = {
    FIRST_LINE: "Lateness is from the due time of a run to the first line of its task, of all runs that succeeded.",
    RECORDED: (
        "Lateness is from the due time of a run to its start as recorded, not to the first line of its task: a start "
        "that is recorded ahead has the due time itself, and counts as 0. Missing in lateness and runs/s are runs "
        "whose first attempt was released or lost, and those that ended in a window and were committed after it. So "
        "the true lateness and the true rate are larger."
    ),
}


def remarks(soak: Soak) -> Iterator[str]:
    """One paragraph each."""
    yield (
        f"Tolerance: {SHARE:.0%} of the mean an hour, which is {24 * SHARE:.0%} a day. flat: slope and interval are "
        "within it. SLOPE: the interval excludes 0, and the slope reaches the tolerance, in each half too. unclear: "
        f"neither is shown. The intervals of the {examined(soak)} tested series hold together with 95 %: by chance "
        "0.05 of them are wrong, more where r is large. least found: the smallest slope that could have been found, an "
        "hour and a day."
    )
    yield _LATENESS[soak.samples.lateness_of]
    if soak.posts:
        yield f"Requests, from the planned tick until sent: {_spread([sent for _, sent, _ in soak.posts])}"
        yield f"Requests, from the planned tick to the answer: {_spread([answered for _, _, answered in soak.posts])}"
    created = "not kept" if soak.created is None else f"{soak.created:,} sent, {soak.lost} requests lost"
    yield f"One-off jobs: {created}. Verified: {'not kept' if soak.verified is None else soak.verified}."


def _spread(milliseconds: Sequence[float]) -> str:
    ordered = sorted(milliseconds)
    shares = ", ".join(f"p{share * 100:.0f} {percentile(ordered, share):,.0f}" for share in (0.5, 0.99))
    return f"{shares}, max {ordered[-1]:,.0f} ms."
