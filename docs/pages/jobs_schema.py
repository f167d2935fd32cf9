"""The JSON Schema of a file of jobs, as `duebook apply` takes it, from the API's description of a job."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docs.pages.http import describe

# The command line carries the schema: it knows no module of the API.
PACKAGED = Path(__file__).parents[2] / "libs/client/src/duebook/cli/job_sets/jobs.schema.json"
_COMPONENTS, _DEFS = "#/components/schemas/", "#/$defs/"
_SET = "The name of the set: with --prune, apply deletes jobs of the set that are in no file."

_OWN = "What several jobs share by anchors and merge keys of YAML; apply does not read it."


def render() -> str:
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


def schema() -> dict[str, Any]:
    """The file, the job, and what the job refers to."""
    components = describe()["components"]["schemas"]
    body = components["JobBody"]
    job = body | {"title": "Job", "required": ["key", "name"]}
    names = dict.fromkeys(_references(body, components))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Duebook: jobs in a file",
        "type": "object",
        "additionalProperties": False,
        "required": ["set", "jobs"],
        "patternProperties": {"^x-": {"description": _OWN}},
        "properties": {
            "$schema": {"type": "string"},
            "set": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_.-]{0,62}$", "description": _SET},
            "jobs": {"type": "array", "items": {"$ref": f"{_DEFS}Job"}},
        },
        "$defs": {"Job": _local(job), **{name: _local(components[name]) for name in names}},
    }


def _references(value: Any, components: dict[str, Any]) -> Iterator[str]:
    """The names of all schemas that a schema refers to, also by way of others."""
    for reference in _found(value):
        name = reference.removeprefix(_COMPONENTS)
        yield name
        yield from _references(components[name], components)


def _found(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, member in value.items():
            if name == "$ref":
                yield member
            else:
                yield from _found(member)
    elif isinstance(value, list):
        for member in value:
            yield from _found(member)


def _local(value: Any) -> Any:
    """The schema with references into the file itself."""
    if isinstance(value, dict):
        return {name: _local(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_local(member) for member in value]
    return value.replace(_COMPONENTS, _DEFS) if isinstance(value, str) and value.startswith(_COMPONENTS) else value
