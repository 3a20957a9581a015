"""Derives from a record's annotations its fields, its JSON in both directions, and its JSON Schema."""

import sys
import types
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from lanes.base.errors import Unreadable
from lanes.records import json_schema, kinds
from lanes.records.json_schema import Schema
from lanes.records.kinds import HIDDEN, INLINE, OPEN, UNUSUAL, JsonName, Trait, ValueKind
from lanes_storage.law import Word


class FormField(NamedTuple):
    """One field of a record, by its annotation."""

    name: str
    json_name: str
    kind: ValueKind
    nullable: bool
    meaning: str
    marks: frozenset[Trait]
    inline: type[Any] | None  # the record whose fields take its place

    @property
    def schema(self) -> Schema:
        """Its schema, with its meaning. References are the bare names of records."""
        schema = json_schema.nullable(self.kind.schema) if self.nullable else self.kind.schema
        description = ": ".join(part for part in (self.kind.schema.get("description", ""), self.meaning) if part)
        return schema | {"description": description} if description else schema


def fields(cls: type[Any]) -> tuple[FormField, ...]:
    """The fields of a record, in order."""
    return tuple(_field(name, annotation) for name, annotation in _annotations(cls).items())


def _annotations(cls: type[Any]) -> dict[str, Any]:
    """The evaluated annotations of its fields, those of its base first."""
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        scope = vars(kinds) | vars(sys.modules[base.__module__])
        found |= {name: eval(base.__annotations__[name], scope) for name in vars(base).get("_own", ())}
    return found


def _is_record(annotation: Any) -> bool:
    return isinstance(annotation, type) and hasattr(annotation, "from_json")


def _field(name: str, annotation: Any) -> FormField:
    kind, nullable, more, record = _analyzed(annotation)
    ours, outside = kind.unit
    json_name = name.removesuffix(ours) + outside if outside and name.endswith(ours) else name
    json_name = next((each.name for each in more if isinstance(each, JsonName)), json_name)
    meaning = next((each for each in more if isinstance(each, str)), "")
    marks = frozenset(each for each in more if isinstance(each, Trait))
    return FormField(name, json_name, kind, nullable, meaning, marks, record if INLINE in marks else None)


def _analyzed(
    annotation: Any, more: tuple[Any, ...] = (), nullable: bool = False
) -> tuple[ValueKind, bool, tuple[Any, ...], type[Any] | None]:
    """The kind of an annotation, whether it may be null, its other metadata, and its class if that is a record."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _analyzed(inner[0], (*inner[1:], *more), nullable)
    if origin in (Union, types.UnionType):
        (value,) = (one for one in inner if one is not type(None))
        return _analyzed(value, more, True)
    kind = next((one for one in more if isinstance(one, ValueKind)), None)
    record = annotation if _is_record(annotation) else None
    return kind or _plain_kind(annotation, OPEN in more), nullable, more, record


def _plain_kind(annotation: Any, is_open: bool) -> ValueKind:
    """The kind of an annotation without a ``ValueKind``."""
    if annotation is bool:
        return kinds.FLAG
    if annotation is str:
        return kinds.TEXT
    if get_origin(annotation) is tuple:
        return _many(_analyzed(get_args(annotation)[0])[0])
    if _is_record(annotation):
        return ValueKind({"$ref": annotation.__name__}, "{}.to_json()", lambda value: annotation.from_json(value))
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        word = annotation.read if issubclass(annotation, Word) else annotation
        schema = (json_schema.open_words if is_open else json_schema.words)(annotation)
        return ValueKind(schema, "{}", kinds.plainly("known word")(lambda value: word(kinds.read_text(value))))
    raise TypeError(f"{annotation!r} is no kind of a field")


def _many(one: ValueKind) -> ValueKind:
    each = one.write.format("each")
    return ValueKind(
        json_schema.array(one.schema),
        f"[{each} for each in {{}}]",
        lambda value: tuple(map(one.read, kinds.reading(list)(value))),
    )


# ------------------------------------------------------------------------------------------------- json


def writer(cls: type[Any]) -> Callable[[Any], dict[str, Any]]:
    """The function that writes a record as JSON: one dict literal, as fast as handwritten code."""
    visible = [field for field in fields(cls) if HIDDEN not in field.marks]
    entries = ", ".join(_entry(field) for field in visible if UNUSUAL not in field.marks)
    unusual = [_if_unusual(field, cls._defaults[field.name]) for field in visible if UNUSUAL in field.marks]
    lines = [f"{', '.join(cls._fields)}, = self", f"form = {{{entries}}}", *unusual, "return form"]
    written: Callable[[Any], dict[str, Any]] = _compiled("to_json", "self", lines, {})
    return written


def _entry(field: FormField) -> str:
    expression = _written(field)
    return f"**{expression}" if field.inline else f"{field.json_name!r}: {expression}"


def _written(field: FormField) -> str:
    expression = field.kind.write.format(field.name)
    return (
        f"None if {field.name} is None else {expression}" if field.nullable and expression != field.name else expression
    )


def _if_unusual(field: FormField, usual: Any) -> str:
    return f"if {field.name} != {usual!r}: form[{field.json_name!r}] = {_written(field)}"


def reader(cls: type[Any]) -> Callable[[Any], Any]:
    """The function that reads a record from JSON."""
    scope: dict[str, Any] = {"new": cls, "defaults": cls._defaults}
    scope |= {f"read_{field.name}": field.kind.read for field in fields(cls)}
    lines = ["return new(", *(f"    {_read(field, cls)}," for field in fields(cls)), ")"]
    read = _compiled("read", "form", lines, scope)

    def from_json(form: Any) -> Any:
        try:
            return read(kinds.read_object(form))
        except (TypeError, ValueError, KeyError, OverflowError) as error:
            reason = f"it has no {error.args[0]}" if isinstance(error, KeyError) else str(error)
            raise Unreadable(f"not a valid {cls.__name__}: {reason}") from error

    return from_json


def _read(field: FormField, cls: type[Any]) -> str:
    name, place = field.name, f"form[{field.json_name!r}]"
    if HIDDEN in field.marks:
        return f"defaults[{name!r}]"
    if field.inline:
        return f"read_{name}(form)"
    expression = f"read_{name}({place})"
    if field.nullable:
        expression = f"None if {place} is None else {expression}"
    return (
        f"({expression}) if {field.json_name!r} in form else defaults[{name!r}]"
        if name in cls._defaults
        else expression
    )


def _compiled(name: str, takes: str, lines: list[str], scope: dict[str, Any]) -> Any:
    """A function with this body, which consists only of field names and expressions of ``kinds``."""
    known = vars(kinds) | scope
    exec("\n    ".join([f"def {name}({takes}):", *lines]), known)
    return known[name]


# ---------------------------------------------------------------------------------------------- schemas


def schema_of(cls: type[Any]) -> Schema:
    """The schema of a record: exactly its fields. References are the bare names of records."""
    properties, required = _properties(cls)
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _properties(cls: type[Any]) -> tuple[dict[str, Schema], list[str]]:
    properties: dict[str, Schema] = {}
    required: list[str] = []
    for field in fields(cls):
        if field.inline is not None:
            inner, needed = _properties(field.inline)
            properties, required = properties | inner, required + needed
        elif HIDDEN not in field.marks:
            properties[field.json_name] = field.schema
            required += [] if UNUSUAL in field.marks else [field.json_name]
    return properties, required
