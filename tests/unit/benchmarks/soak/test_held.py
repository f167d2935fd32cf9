"""What a held horizon shows, by phases, and which gauges show it."""

from io import StringIO

from rich.console import Console

from benchmarks.soak.held import HoldSampler, Phase, gauges, table


def test_gauges_are_read_from_the_text_of_metrics() -> None:
    text = "# HELP x y\nduebook_feed_horizon_age_seconds 12.5\nduebook_overdue_jobs 3.0\nduebook_relay_lag_events 7.0\n"
    assert gauges(text) == {"duebook_feed_horizon_age_seconds": 12.5, "duebook_relay_lag_events": 7.0}


def test_a_row_has_mean_and_last_of_each_phase_and_the_most() -> None:
    sampler = HoldSampler.__new__(HoldSampler)
    sampler.samples = [(phase, n, {"mails": float(n)}) for n, phase in enumerate([Phase.BEFORE, *[Phase.HELD] * 3])]
    output = StringIO()
    Console(file=output, width=160).print(table(sampler, "a hold"))
    cells = [cell.strip() for line in output.getvalue().splitlines() if "mails" in line for cell in line.split("│")]
    assert cells[1:7] == ["mails", "0.0, 0.0", "2.0, 3.0", "", "", "3.0"]
