"""Imported first by each service: structlog loads without the packages that it takes in where it finds them.

No service uses them. rich, with pygments, would draw tracebacks; greenlet is for its thread-local context. Together
they take 5 MiB in each process. A task may still import them.
"""

import sys

_UNUSED = ("greenlet", "rich")

_hidden = [name for name in _UNUSED if name not in sys.modules]
sys.modules.update(dict.fromkeys(_hidden))  # type: ignore[arg-type]  # None: not to be found
try:
    import structlog  # noqa: F401
finally:
    for _name in _hidden:
        del sys.modules[_name]
