"""Building blocks of JSON Schemas (draft 2020-12), for records and for the bodies and parameters of routes."""

from collections.abc import Iterable
from typing import Any

from lanes_storage.law import MAX_KEY

Schema = dict[str, Any]

DRAFT = "https://json-schema.org/draft/2020-12/schema"

TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
#: The largest number that a database holds.
MOST_NUMBER = 2**63 - 1
COUNT: Schema = {"type": "integer", "minimum": 0, "maximum": MOST_NUMBER}
NUMBER: Schema = {"type": "integer"}
ID: Schema = {"type": "string", "pattern": "^[0-9]{1,18}$", "description": "opaque"}
KEY: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_KEY,
    "pattern": r"^[^\x00-\x1f\x7f-\x9f]*$",
    "description": "a session key",
}
#: Durations as they are usually written: each is a whole number of milliseconds, and at most ten years.
DURATION: Schema = {
    "type": "string",
    "pattern": r"^([0-9]{1,11}ms|[0-9]{1,8}(\.[0-9]{1,3})?s|[0-9]{1,6}(\.[0-9])?m|[0-9]{1,4}(\.[0-9])?h|[0-9]{1,3}d)$",
    "examples": ["30s"],
}
MONEY: Schema = {"type": "number", "minimum": 0}
SECONDS: Schema = {"type": "number", "description": "seconds"}
MOMENT: Schema = {
    "type": "string",
    "format": "date-time",
    "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$",
}


def words(of: Iterable[str]) -> Schema:
    """One of these words."""
    return {"type": "string", "enum": [str(word) for word in of]}


def open_words(of: Iterable[str]) -> Schema:
    """One of these words, or another: runners define their own, and newer versions may too."""
    return {"type": "string", "examples": [str(word) for word in of], "description": "another word is possible"}


def array(of: Schema) -> Schema:
    """Any number of these."""
    return {"type": "array", "items": of}


def nullable(schema: Schema) -> Schema:
    """The same, or null."""
    if "$ref" in schema or "enum" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    return {**schema, "type": [schema["type"], "null"]} if schema else schema


def exactly(**fields: Schema) -> Schema:
    """An object with these fields, all of them, and no other."""
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}
