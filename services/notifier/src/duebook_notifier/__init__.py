"""Duebook's notifier: tells people by e-mail how runs ended."""
