"""The parts that JSON Schemas (draft 2020-12) are made of, for records and for the bodies and parameters of routes."""

from collections.abc import Iterable
from typing import Any

from lanes_storage.law import MAX_KEY

Schema = dict[str, Any]

DRAFT = "https://json-schema.org/draft/2020-12/schema"

TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": "integer"}
ID: Schema = {"type": "string", "pattern": "^[0-9]+$", "description": "opaque"}
KEY: Schema = {"type": "string", "minLength": 1, "maxLength": MAX_KEY, "description": "a session key"}
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
    """One of these words, or another: runners have their own, and so may a newer version."""
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
