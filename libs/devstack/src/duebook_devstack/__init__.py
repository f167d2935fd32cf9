"""The local stack: backing servers and services on one machine, for `duebook dev` and for the tests.

with Stack(Path(".duebook")) as stack:
    stack.postgres.url
"""
