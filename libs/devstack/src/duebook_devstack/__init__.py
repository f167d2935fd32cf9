"""The local stack: backing servers and services on one machine, for `duebook dev` and the tests.

with Stack(Path(".duebook")) as stack:
    print(stack.postgres.url)
"""
