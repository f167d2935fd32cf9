"""The HTTP API, from its own description."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, cast

from fastapi import FastAPI

from docs.pages.markdown import code, codes, page, table
from duebook_api.app import build
from duebook_api.openapi.document import openapi
from duebook_api.state.dependencies import Dependencies
from duebook_common.runtime.health import Health

_INTRODUCTION = """
A running API shows all of this at `/api/docs`, and as OpenAPI 3.1 at `/api/openapi.json`; these two need no key. What the
fields of a job mean stands in [jobs and schedules](jobs-and-schedules.md), which key may do what in
[SECURITY.md](../../SECURITY.md).

* **Keys** travel as `Authorization: Bearer KEY`.
* **Times** are RFC 3339 with an offset and answered in UTC with `Z`. **Durations** are ISO 8601 without months and years.
* **Bodies** are JSON (`application/json`, PATCH also `application/merge-patch+json`). An unknown field is refused by name.
* **Lists** answer `{"items": […], "next_cursor": …}` and take `limit` (1 to 200, 50 unless given) and `cursor`: the
  `next_cursor` of the page before, which is null on the last page. A page with large payloads has fewer items than `limit`.
* **Repeats.** A POST that takes `Idempotency-Key` (1 to 255 printable ASCII characters) makes its job or run once: the same
  key and body answer the first result again, for ever; the same key with another body is refused with 422. An
  Idempotency-Key belongs to the API key that sends it. A PUT with a UUID of your own may be repeated too; it may have any
  version but 8, which the ids have that follow from an Idempotency-Key.
* **Versions.** A job's answer has `version` and `ETag`; `If-Match` refuses a change of another version with 412, and
  `If-None-Match: *` a change of a job that exists.
* **Rates.** `DUEBOOK_RATE_LIMIT` bounds the requests of each key. Every answer says what is left: `RateLimit-Policy:
  "default";q=30000;w=10` is the limit, so many requests in a window of seconds, and `RateLimit: "default";r=29990;t=1` says
  that 29,990 are left, and that all will be free again in a second (draft-ietf-httpapi-ratelimit-headers-10). Ten jobs of a
  batch count as one request.
* **Every service** answers `GET /livez`, `GET /readyz` (JSON by component, 503 while it cannot work) and `GET /metrics`.
"""
_ERRORS = """
## Errors

Every error is `application/problem+json` (RFC 9457): `type`, `title`, `status`, `detail`, `instance` and `code`; a refused
body or query has `errors`, each with the `pointer` to a field and its `detail`. `code` is stable.

| status | code | meaning |
| --- | --- | --- |
| 400 | `broken_json` | The body is not JSON. |
| 401 | `unauthorized` | No key, or none that is known. |
| 403 | `scope_missing`, `lifetime_too_long` | The key lacks the scope; a new key would outlive the one that makes it. |
| 403 | `foreign_host`, `foreign_origin` | Without keys: the `Host` is no name of this machine; a web page elsewhere called. |
| 404 | `not_found` | There is no such thing. |
| 405 | `method_not_allowed` | The path has no such method; `Allow` names those that it has. |
| 408 | `body_too_slow` | The body did not arrive within a minute. |
| 409 | `wrong_status`, `job_deleted`, `stale_attempt`, `conflict`, `too_many_active_runs`, `too_many_queues`, `too_many_keys`, `own_key`, `key_taken`, `outcome_pending`, `erased` | The state of the job, the run or the installation does not admit the command. |
| 410 | `archived` | It has left the database for an archive, which the answer names. Its ledger line remains. |
| 410 | `position_gone` | The log has no event at this position: its database was restored since. |
| 412 | `stale_version` | `If-Match` names another version, or `If-None-Match` the one that the job has. |
| 413 | `body_too_large`, `payload_too_large` | See [limits](limits.md). |
| 415 | `not_json`, `not_a_form` | The `Content-Type` of the body is missing or not JSON; in the console, that of no form. |
| 415 | `encoded_body` | The body is compressed (`Content-Encoding`). |
| 422 | `invalid`, `too_many_fields`, `idempotency_key_reused` | Something in the body, the query or the `Idempotency-Key` is wrong. |
| 429 | `rate_limited`, `too_many_streams_of_client`, `too_many_bulk_operations`, `too_many_forecasts`, `too_many_waits_of_client` | More than the key may send, or have open or running. Come again after `Retry-After` seconds. |
| 500 | `internal` | A fault of ours; the log line has the `instance`. |
| 503 | `unavailable`, `busy`, `starting`, `too_many_streams`, `too_many_waits`, `forecast_failed` | Try again after `Retry-After` seconds. |
"""
_METHODS = ("get", "post", "put", "patch", "delete")
_SKIPPED = {"limit", "cursor"}
_WRAPPERS = {"": "", "Page": "a page of ", "Items": "a list of "}

Schema = dict[str, Any]


def describe() -> Schema:
    """The API's description, made without any server."""
    app = build(cast("Dependencies", None), Health(), None)
    while not isinstance(app, FastAPI):
        app = cast("Any", app)._app  # noqa: SLF001 - the layers around it have no description
    api = openapi(app)
    return cast("Schema", _inlined(api, api["components"]["schemas"]))


def _inlined(value: Any, schemas: Schema) -> Any:
    """The same with what has no fields of its own, such as a list of words, put where it is referred to."""
    if isinstance(value, list):
        return [_inlined(each, schemas) for each in value]
    if not isinstance(value, dict):
        return value
    target = schemas.get(str(value.get("$ref")).rpartition("/")[2], {})
    return target if "enum" in target else {name: _inlined(each, schemas) for name, each in value.items()}


def _operations(api: Schema) -> Iterator[tuple[str, str, Schema]]:
    for path, operations in api["paths"].items():
        yield from ((method.upper(), path, operations[method]) for method in _METHODS if method in operations)


def _sections(api: Schema) -> Iterator[str]:
    by_tag: dict[str, list[tuple[str, ...]]] = {}
    for method, path, operation in _operations(api):
        by_tag.setdefault(operation["tags"][0], []).append(_row(method, path, operation))
    for tag, rows in by_tag.items():
        yield f"## {tag.capitalize()}"
        yield table(("call", "scope", "meaning", "query and headers", "body", "answer"), sorted(rows, key=_path_of_row))


def _path_of_row(row: Sequence[str]) -> str:
    return row[0].strip("`").partition(" ")[2]


def _row(method: str, path: str, operation: Schema) -> tuple[str, ...]:
    scope = "".join(operation["security"][0]["key"])
    text = operation["description"].removesuffix(f"Scope: `{scope}`")
    parameters = [each["name"] for each in operation.get("parameters", []) if each["in"] != "path"]
    body = operation.get("requestBody", {}).get("content", {}).values()
    schemas = [_name(each["schema"]) for each in body]
    return (
        code(f"{method} {path}"),
        code(scope) if scope else "any key",
        text.strip(),
        _parameters(parameters),
        ", ".join(schemas),
        _answer(operation),
    )


def _parameters(names: list[str]) -> str:
    others = codes(name for name in names if name not in _SKIPPED)
    return ", ".join(filter(None, [others, "page" * ("cursor" in names)]))


def _answer(operation: Schema) -> str:
    status, answer = next((status, answer) for status, answer in operation["responses"].items() if status[0] == "2")
    schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
    return f"{status} {_name(schema)}".strip()


def _name(schema: Schema) -> str:
    if "$ref" in schema:
        wrapper, _, name = schema["$ref"].rpartition("/")[2].strip("_").rpartition("_")
        return f"{_WRAPPERS[wrapper]}[{name}](#{name.lower()})"
    return "a merge patch" if schema.get("type") == "object" else ""


def _schemas(api: Schema) -> Iterator[str]:
    yield "## Bodies and answers"
    for name, schema in sorted(api["components"]["schemas"].items()):
        if schema.get("properties") and "_" not in name:
            yield f"### {name}"
            yield table(("field", "type", "default", "meaning"), _fields(schema))


def _fields(schema: Schema) -> Iterator[tuple[str, str, str, str]]:
    required = set(schema.get("required", []))
    for name, field in schema["properties"].items():
        default = "required" if name in required else _default(field)
        yield code(name), _type(field), default, field.get("description", "")


def _default(field: Schema) -> str:
    default = field.get("default")
    return "" if default is None else code(default if isinstance(default, str) else json.dumps(default))


def _type(field: Schema) -> str:
    if "$ref" in field:
        return _name(field)
    for several in ("anyOf", "oneOf"):
        if several in field:
            return " or ".join(dict.fromkeys(map(_type, field[several])))
    if "enum" in field:
        return codes(map(str, field["enum"]))
    if field.get("type") == "array":
        return f"list of {_type(field.get('items', {})) or 'any JSON'}{_bounds(field)}"
    return (field.get("format") or field.get("type") or "any JSON") + _bounds(field)


def _bounds(field: Schema) -> str:
    low = field.get("minimum", field.get("minLength", field.get("minItems")))
    high = field.get("maximum", field.get("maxLength", field.get("maxItems")))
    unit = " characters" if "maxLength" in field else ""
    if high is None:
        return "" if low is None else f", from {low}"
    return f", {low or 0} to {high}{unit}"


def render() -> str:
    api = describe()
    return page("HTTP", _INTRODUCTION, *_sections(api), _ERRORS, *_schemas(api))
