"""Every form, and its JSON Schema."""

from typing import Any

from lanes.records import actions, lanes, messages, system
from lanes.records.codec import schema_of
from lanes.records.json_schema import DRAFT
from lanes.records.record import Record

#: Every form: the records of these modules.
FORMS: tuple[type[Record], ...] = tuple(
    each
    for module in (lanes, messages, actions, system)
    for each in vars(module).values()
    if isinstance(each, type) and issubclass(each, Record) and each.__module__ == module.__name__
)


def schemas(at: str = "#/$defs/") -> dict[str, dict[str, Any]]:
    """The JSON Schema (draft 2020-12) of every form by its name; the references between them begin with ``at``."""
    return {form.__name__: placed(schema_of(form), at) for form in FORMS}


def schema(name: str) -> dict[str, Any]:
    """One schema as a complete document, for validation."""
    return {"$schema": DRAFT, "$ref": f"#/$defs/{name}", "$defs": schemas()}


def placed(schema: Any, at: str) -> Any:
    """A schema whose references, which are bare names of forms, begin with ``at``."""
    if isinstance(schema, dict):
        return {name: at + value if name == "$ref" else placed(value, at) for name, value in schema.items()}
    return [placed(each, at) for each in schema] if isinstance(schema, list) else schema
