"""The same work on other systems, on the same servers in the same run: `make bench-peers`.

Each peer has an environment of its own, made on demand. `catalogue` says how it is installed, run and set; a module
named after it has its task and submits it; that module and `submission` run in the peer's environment only.
"""
