"""The forms, field by field, as the pages show them."""

from typing import Any

from lanes.records import FORMS, Record
from lanes.records.codec import schema_of
from lanes.records.json_schema import ID, KEY, MOMENT, MONEY, SECONDS


def anchor(name: str) -> str:
    """Where the form of that name stands on the page of commands."""
    return name.lower()


def form_sections() -> list[str]:
    """One section for each form."""
    return [_section(form) for form in sorted(FORMS, key=lambda form: form.__name__)]


def kind_of(schema: dict[str, Any]) -> str:
    """The type of a value, for a person."""
    if not schema.keys() - {"description"}:
        return "any"
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](commands.md#{anchor(name)})"
    if "anyOf" in schema:
        return f"{kind_of(schema['anyOf'][0])} or null"
    kind = schema.get("type")
    if isinstance(kind, list):
        return f"{kind_of({**schema, 'type': kind[0]})} or null"
    if "enum" in schema:
        return ", ".join(f"`{word}`" for word in schema["enum"])
    if "examples" in schema:
        return ", ".join(f"`{word}`" for word in schema["examples"]) + (
            ", or a word of a runner's own" if len(schema["examples"]) > 1 else ""
        )
    if kind == "array":
        return f"array of {kind_of(schema['items'])}"
    if kind == "object" and "properties" in schema:
        return "object: " + ", ".join(f"`{name}`" for name in schema["properties"])
    return _plain(schema)


def _plain(schema: dict[str, Any]) -> str:
    if schema.get("pattern") == MOMENT["pattern"]:
        return "time"
    if schema["type"] == MONEY["type"] and "minimum" in schema:
        return "US dollars"
    if schema["type"] == SECONDS["type"]:
        return "seconds"
    if schema.get("pattern") == ID["pattern"]:
        return "id"
    if schema.get("maxLength") == KEY["maxLength"] and "pattern" in schema:
        return "session key"
    kind: str = schema["type"]
    return {"string": "text", "boolean": "true or false", "integer": "whole number"}.get(kind, kind)


def _section(form: type[Record]) -> str:
    meanings = _meanings(form)
    properties = schema_of(form)["properties"].items()
    rows = [f"| `{name}` | {kind_of(schema)} | {meanings[name]} |" for name, schema in properties]
    return "\n".join([f"### {form.__name__}", "", "| field | is | |", "|---|---|---|", *rows])


def _meanings(form: type[Record]) -> dict[str, str]:
    """What each field means, by its name in JSON."""
    found: dict[str, str] = {}
    for field in form.fields():
        found |= {field.json_name: field.meaning} if field.inline is None else _meanings(field.inline)
    return found
