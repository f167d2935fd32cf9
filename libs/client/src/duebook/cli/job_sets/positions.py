"""The lines of a YAML or JSON document at which its fields stand."""

from collections.abc import Iterator, Mapping

import yaml

from duebook.cli.yaml_text import compose

Lines = Mapping[str, int]


def lines_of(text: str) -> Lines:
    """For each JSON pointer the line of its field, from 1; empty for a text that YAML does not read.

    The parser of YAML calls itself for each level, so it reads fewer levels than that of JSON.
    """
    try:
        node = compose(text)
        return dict(_lines(node, "")) if node is not None else {}
    except (yaml.YAMLError, RecursionError):
        return {}


def line_of(lines: Lines, pointer: str) -> int:
    """The line of the field, or of the nearest field around it."""
    while pointer and pointer not in lines:
        pointer = pointer.rpartition("/")[0]
    return lines.get(pointer, 1)


def _lines(node: yaml.Node, pointer: str) -> Iterator[tuple[str, int]]:
    if pointer == "":
        yield "", node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _child(value, f"{pointer}/{_escaped(key)}", key.start_mark.line + 1)
    elif isinstance(node, yaml.SequenceNode):
        for n, value in enumerate(node.value):
            yield from _child(value, f"{pointer}/{n}", value.start_mark.line + 1)


def _child(node: yaml.Node, pointer: str, line: int) -> Iterator[tuple[str, int]]:
    yield pointer, line
    yield from _lines(node, pointer)


def _escaped(key: yaml.Node) -> str:
    return str(key.value).replace("~", "~0").replace("/", "~1")
