"""Duebook's notifier: sends e-mails about the outcomes of runs."""
