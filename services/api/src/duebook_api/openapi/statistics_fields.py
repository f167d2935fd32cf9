"""Words and examples of the statistics."""

from duebook_api.openapi.described import COMPOSED, Described

_AT = "2100-01-04T02:00:00Z"

STATISTICS: dict[str, Described] = {
    "OutcomeCounts.succeeded": ("Runs that succeeded.", 118),
    "OutcomeCounts.dead_lettered": ("Runs that were dead-lettered, also those that were redriven since.", 2),
    "OutcomeCounts.cancelled": ("Runs that were cancelled.", 0),
    "OutcomeCounts.skipped": ("Runs and occurrences that were skipped.", 1),
    "OutcomeCounts.discarded": ("Dead letters that were discarded.", 0),
    "OutcomeCounts.failed": ("Attempts that failed or were lost.", 9),
    "Quantiles.p50": ("Half of the times are not longer.", 0.013),
    "Quantiles.p95": ("95 % of the times are not longer.", 0.056),
    "Quantiles.p99": ("99 % of the times are not longer.", 0.178),
    **{
        f"{schema}.{name}": words
        for schema in ("StatisticsTotal", "StatisticsItem", "Rollup", "HourRollup")
        for name, words in {
            "key": ("The queue, the task or the id of the job; null for all, or for the others together.", "default"),
            "counts": ("What came of runs.", COMPOSED),
            "started": ("Runs whose first attempt started.", 121),
            "lateness": ("How long after they were due the first attempts started.", COMPOSED),
            "duration": ("How long attempts took that succeeded or failed.", COMPOSED),
        }.items()
    },
    **{
        f"{schema}.{name}": words
        for schema in ("LedgerSummary", "LedgerStep")
        for name, words in {
            "expected": ("How many nominal times it has.", 24),
            "recorded": ("How many of them have a run or stand in a skip.", 24),
            "due": ("Past times that the scheduler has not decided yet.", 0),
            "unaccounted": ("How many of them have neither, and are not due.", 0),
            "retried": ("How many of their runs succeeded, but not at the first attempt.", 1),
            "caught_up": ("How many were missed, and a later run made up for them: a catch-up or a backfill.", 2),
            "outcomes": ("How many of them came to what.", {"succeeded": 23, "skipped": 1}),
        }.items()
    },
    "LedgerSummary.step": ("How long a step is.", "day"),
    "LedgerSummary.timezone": ("The zone by whose clocks days and months begin.", "Europe/Berlin"),
    "LedgerSummary.items": ("The steps that have nominal times, in order.", COMPOSED),
    "LedgerStep.date": ("The day or the month.", "2100-01-04"),
    "LedgerStep.from": ("Its first instant.", "2100-01-03T23:00:00Z"),
    "LedgerStep.to": ("The first instant behind it.", "2100-01-04T23:00:00Z"),
    "HourRollup.at": ("The beginning of the hour.", _AT),
    "ServiceCounts.service": ("The name of the service.", "scheduler"),
    "ServiceCounts.alive": ("Processes that run.", 2),
    "ServiceCounts.draining": ("Processes that are stopping.", 0),
    "ServiceCounts.lost": ("Processes that were not heard of for a minute.", 0),
    "Overview.last_hour": ("The last sixty minutes together.", COMPOSED),
    "Overview.hours": ("The last 24 hours one by one, oldest first; the last one goes on.", COMPOSED),
    "Overview.throughput": ("How many runs ended in a second, over the last five whole minutes.", 41.3),
    "Overview.ledger": ("What is recorded of the last hour's nominal times of the newest recurring jobs.", COMPOSED),
    "LedgerHour.from": ("The beginning of the hour.", _AT),
    "LedgerHour.to": ("The end of the hour.", "2100-01-04T03:00:00Z"),
    "LedgerHour.jobs": ("How many jobs are counted.", 20),
    "LedgerHour.expected": ("How many nominal times they had.", 240),
    "LedgerHour.unaccounted": ("Of how many of them nothing is recorded. A fault, if it is not 0.", 0),
    "Overview.services": ("How many processes of each service run.", COMPOSED),
    "StatisticsItem.at": ("The beginning of the step.", _AT),
    "Statistics.from": ("The beginning of the first step.", "2100-01-01T00:00:00Z"),
    "Statistics.to": ("The end of the last step.", "2100-01-02T00:00:00Z"),
    "Statistics.step": ("The length of a step.", "PT1H"),
    "Statistics.by": ("What the keys are.", "queue"),
    "Statistics.totals": ("The whole range, by key, the busiest first.", COMPOSED),
    "Statistics.items": ("The steps that have events, in order, by key.", COMPOSED),
}
