"""Erasing what a run or job held: payloads, results, errors, recipients of mails, log lines."""
