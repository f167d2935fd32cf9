"""Examples of whole objects, put together from those of their fields."""

from typing import Any

Schema = dict[str, Any]


def example_of(schema: Schema, schemas: Schema) -> Any:
    """An example of the schema: its own, or one of its parts."""
    if "examples" in schema:
        return schema["examples"][0]
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return example_of(schema[several][0], schemas)
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("type") == "array":
        return [example_of(schema["items"], schemas)]
    return {name: example_of(field, schemas) for name, field in schema.get("properties", {}).items()}
