"""Renders the reference pages that repeat what the code says, so that code and page cannot disagree.

After a change of settings, metrics, events, commands, routes or limits run: `make docs`.
"""
