"""A soak for the tests of reports."""

from benchmarks.soak.report import Soak
from benchmarks.soak.samples import Samples


def a_soak() -> Soak:
    """Ten periods of a minute: one leaves in the first twenty seconds of each, in which runs are later.

    Runs are much later in the first four, when nothing leaves.
    """
    samples = Samples()
    for second in range(15, 601, 15):
        samples.add(second, {"hot tables": 100, "table runs": 1 + second, "lines for ever": second})
    archiving = [[60.0 * n, 60.0 * n + 20] for n in range(10)]
    for second in range(600):
        samples.late[second] = [9.0] * 2 if second % 60 < 20 else [5.0 if second >= 240 else 500.0] * 3
        samples.ended[second] = len(samples.late[second])
    return Soak(samples, archiving, 60, 240)
