"""The Python packages, from the signatures and docstrings of what they export."""

import importlib
import inspect
import re
from collections.abc import Iterator
from typing import Any

from docs.pages.markdown import field_docs, page
from duebook import Client
from duebook.client.groups import DeadLetters, Jobs, Runs

_INTRODUCTION = """
What `duebook`, `duebook.client` and `duebook.testing` export; every other module is internal. Types are in the packages, for mypy and
editors. Durations without a unit are seconds, times are in UTC. See [tasks](tasks.md),
[call Duebook from Python](../how-to/call-from-python.md) and [test your tasks](../how-to/test-your-tasks.md).
"""
_PACKAGES = ("duebook", "duebook.client", "duebook.testing")


def _sections(package: str, known: set[int]) -> Iterator[str]:
    module = importlib.import_module(package)
    yield f"## {package}"
    yield inspect.cleandoc(module.__doc__ or "").partition("\n\n")[0]
    for name in sorted(module.__all__):
        thing = getattr(module, name)
        if id(thing) not in known:
            known.add(id(thing))
            yield from _section(name, thing)


def _section(name: str, thing: Any) -> Iterator[str]:
    yield f"### {name}"
    if inspect.isfunction(thing):
        yield _described(name, thing)
    elif inspect.isclass(thing):
        yield _text(thing)
        yield "\n".join(_members(name, thing))
        if thing is Client:  # those of AsyncClient are the same
            yield "\n".join(_group_members())


def _members(owner: str, kind: type) -> Iterator[str]:
    """The documented fields, methods and properties of a class, in the order of its code."""
    for name, text in field_docs(kind).items():
        if not name.startswith("_"):
            yield f"* `{name}`: {' '.join(text.split())}"
    for name, value in _attributes(kind).items():
        member = _plain(value)
        if (name.startswith("_") and name != "__init__") or not getattr(member, "__doc__", None):
            continue
        if isinstance(value, property):
            yield f"* `{name}`: {_line(member)}"
        elif inspect.isfunction(member) and (name != "__init__" or _is_own(member)):
            yield f"* `{owner if name == '__init__' else name}{_signature(member)}`: {_line(member)}"


def _attributes(kind: type) -> dict[str, Any]:
    """Also those of its ancestors in the packages, first."""
    own = [each for each in reversed(kind.__mro__) if each.__module__.startswith("duebook")]
    return {name: value for each in own for name, value in vars(each).items()}


def _group_members() -> Iterator[str]:
    """The methods of `client.jobs`, `client.runs` and `client.dead_letters`."""
    for path, group in (("jobs", Jobs), ("runs", Runs), ("dead_letters", DeadLetters)):
        for name, method in vars(group).items():
            if not name.startswith("_"):
                yield f"* `{path}.{name}{_signature(method._function)}`: {_line(method)}"  # noqa: SLF001 - what is documented


def _described(name: str, function: Any) -> str:
    return f"`{name}{_signature(function)}`\n\n{_text(function)}"


def _plain(value: Any) -> Any:
    return value.__func__ if isinstance(value, classmethod | staticmethod) else value


def _is_own(function: Any) -> bool:
    return bool(getattr(function, "__doc__", None)) and function.__module__.startswith("duebook")


def _signature(function: Any) -> str:
    """The parameters with their defaults. Types are left to editors: they would hide the names."""
    parameters = inspect.signature(function).parameters.values()
    shown = [each.replace(annotation=each.empty) for each in parameters if each.name != "self"]
    return re.sub(r"<[\w.]*?(\w+)[^>]*>", r"\1", str(inspect.Signature(shown))).replace("Unset.UNSET: ", "")


def _text(thing: Any) -> str:
    """The docstring, without that which a dataclass or an ancestor has left."""
    text = inspect.cleandoc(vars(thing).get("__doc__") or "") if inspect.isclass(thing) else inspect.getdoc(thing) or ""
    return "" if text.startswith(f"{thing.__name__}(") else text


def _line(thing: Any) -> str:
    return " ".join(inspect.cleandoc(thing.__doc__ or "").split())


def render() -> str:
    known: set[int] = set()
    sections = [each for package in _PACKAGES for each in _sections(package, known)]
    return page("Python", _INTRODUCTION, *sections)
