"""Mails about runs: which were sent, and sending one again."""
