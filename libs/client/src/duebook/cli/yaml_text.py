"""YAML as JSON has it: what is not true, false, null or a number is a text, also `on`, `no` and `2026-11-24`."""

import json
import re
from collections import Counter
from itertools import chain
from typing import Any

import yaml

_MOST_MORE = 16 * 2**20  # what aliases may add
_WEIGHT = 16  # of a value, besides its text
_UNICODE_BREAKS = re.compile("[\x85\u2028\u2029]")
_TAG = "tag:yaml.org,2002:"
_PLAIN = {
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (r"[-+]?(0|[1-9][0-9]*)", list("-+0123456789")),
    "float": (r"[-+]?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?", list("-+0123456789")),
    "merge": (r"<<", ["<"]),
}


# That of libyaml is ten times as fast; some installations of PyYAML lack it.
_PARSER: Any = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader


class _Loader(yaml.SafeLoader):
    """Unlike SafeLoader, which reads YAML 1.1: there `on` is true, `12:30:00` a number and `2026-11-24` a date.

    The events are those of the fastest parser. Composed they are in Python: a composer in C would not survive a text
    that is nested a hundred thousand times.
    """

    def __init__(self, text: str) -> None:
        super().__init__("")
        self._parser = _PARSER(text)

    def check_event(self, *choices: Any) -> bool:
        return bool(self._parser.check_event(*choices))

    def peek_event(self) -> Any:
        return self._parser.peek_event()

    def get_event(self) -> Any:
        return self._parser.get_event()

    def dispose(self) -> None:
        self._parser.dispose()
        super().dispose()

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """A mapping as it stands in the text: later a merge key (`<<`) adds what its own keys may override."""
        node = super().compose_mapping_node(anchor)
        keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<")
        if twice := [key for key, count in keys.items() if count > 1]:
            raise yaml.constructor.ConstructorError(None, None, f"the key {twice[0]!r} stands twice", node.start_mark)
        return node


class _Dumper(yaml.SafeDumper):
    """Puts in quotes what `_Loader` would read as something else than a text."""

    def ignore_aliases(self, _: Any) -> bool:
        return True


_Loader.yaml_implicit_resolvers = {}
for _name, (_pattern, _first) in _PLAIN.items():
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(_TAG + _name, re.compile(f"(?:{_pattern})$"), _first)


def _quoted(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    """A text; where it has line breaks of Unicode, in quotes, in which these are escaped."""
    style = '"' if _UNICODE_BREAKS.search(text) else None
    return dumper.represent_scalar(f"{_TAG}str", text, style=style)


_Dumper.add_representer(str, _quoted)


def dump(value: Any) -> str:
    """A JSON value as text, in the order of its members, from which `load` makes the same value."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def compose(text: str) -> yaml.Node | None:
    """The node of the only document; raises yaml.YAMLError."""
    loader = _Loader(text)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


def load(text: str) -> Any:
    """The value of a document; raises ValueError."""
    try:
        value = _value(text)
        json.dumps(value, allow_nan=False)
    except yaml.MarkedYAMLError as error:
        raise ValueError(_explain(error)) from None
    except (yaml.YAMLError, TypeError) as error:
        raise ValueError(" ".join(str(error).split())) from None
    return value


def _value(text: str) -> Any:
    """The only document's value, whose aliases are counted before any is followed."""
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _size(node, {}) > len(text) * _WEIGHT + _MOST_MORE:
            message = "its aliases (*name) stand for more than 16 MiB; write out what differs, and use fewer aliases"
            raise ValueError(message)
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """About how many bytes the value of a node takes, each alias counted like what it stands for."""
    if id(node) not in known:
        known[id(node)] = 0  # of an alias within what it stands for, which is refused later
        parts = chain.from_iterable(node.value) if isinstance(node, yaml.MappingNode) else node.value
        inner = len(node.value) if isinstance(node, yaml.ScalarNode) else sum(_size(part, known) for part in parts)
        known[id(node)] = _WEIGHT + inner
    return known[id(node)]


def _explain(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark
    where = f"line {mark.line + 1}: " if mark else ""
    hint = "; put quotation marks around a text that begins with *" if "alias" in str(error) else ""
    problem = ", ".join(filter(None, (error.context, error.problem)))
    return f"{where}{problem}{hint}"
