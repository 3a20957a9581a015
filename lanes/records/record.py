"""The base of records: frozen classes whose fields are declared once, with their JSON in both directions.

    class Hit(Record):
        key: Annotated[Key, "the lane that was found"]
        waited_ms: Seconds

A field has the same name in JSON, but ``…_ms`` becomes ``…_s``, in seconds. ``lanes.records.kinds`` lists the possible
annotations, ``lanes.records.codec`` evaluates them.

To the type checker a record is a frozen dataclass. It is a tuple, like a row of storage, since creating a dataclass
costs each command a millisecond; and its functions are generated when they are first called, because a command uses few
of them.
"""

from operator import itemgetter
from typing import TYPE_CHECKING, Any, ClassVar, Self, dataclass_transform

from lanes.base.errors import Unreadable
from lanes.base.sentences import in_json
from lanes_storage.tuples import constructor

if TYPE_CHECKING:
    from lanes.records.codec import FormField

Json = dict[str, Any]


@dataclass_transform(frozen_default=True)
class RecordType(type):
    """Makes the fields of a record from its annotations, after those of its base."""

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> "RecordType":
        inherited = [base for base in bases if isinstance(base, RecordType)]
        if inherited:
            before, kinds = inherited[0]._fields, namespace.get("__annotations__", {})
            own = tuple(kinds)
            defaults = {field: namespace.pop(field) for field in own if field in namespace}
            for place, field in enumerate(own, len(before)):
                namespace[field] = property(itemgetter(place), doc=kinds[field])  # for ``help``
            namespace |= {"_own": own, "_fields": before + own, "_defaults": inherited[0]._defaults | defaults}
            namespace |= {function: vars(Record)[function] for function in ("__new__", "to_json", "from_json")}
        return super().__new__(cls, name, bases, namespace | {"__slots__": ()})

    _fields: tuple[str, ...]
    _defaults: dict[str, Any]


class Record(tuple[Any, ...], metaclass=RecordType):
    """A public record: the same on the command line, over HTTP, in the dashboard and in Python."""

    _fields: ClassVar[tuple[str, ...]] = ()
    _defaults: ClassVar[dict[str, Any]] = {}

    def __new__(cls, *values: Any, **named: Any) -> Self:
        cls.__new__ = constructor(cls._fields, cls._defaults)  # type: ignore[method-assign]
        return cls(*values, **named)

    def to_json(self) -> Json:
        """Its JSON object."""
        from lanes.records.codec import writer

        cls = type(self)
        cls.to_json = writer(cls)  # type: ignore[assignment, method-assign]
        return self.to_json()

    @classmethod
    def from_json(cls, form: Any) -> Self:
        """The record of a JSON object. Unknown fields are ignored. Raises Unreadable."""
        from lanes.records.codec import reader

        cls.from_json = staticmethod(reader(cls))  # type: ignore[assignment, method-assign]
        return cls.from_json(form)

    @classmethod
    def all_from_json(cls, forms: Any) -> list[Self]:
        """The records of an array. Raises Unreadable."""
        if not isinstance(forms, list):
            raise Unreadable(f"this is not an array of {cls.__name__}: {in_json(forms)}")
        return [cls.from_json(form) for form in forms]

    @classmethod
    def fields(cls) -> "tuple[FormField, ...]":
        """Each field with its kind, its name in JSON and its meaning."""
        from lanes.records.codec import fields

        return fields(cls)

    def replace(self, **changes: Any) -> Self:
        """A copy with other values in some fields."""
        return type(self)(**dict(zip(self._fields, self, strict=True)) | changes)

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value!r}" for name, value in zip(self._fields, self, strict=True))
        return f"{type(self).__name__}({values})"

    def __getnewargs__(self) -> tuple[Any, ...]:
        return tuple(self)


def jsonable(value: Any) -> Any:
    """A value with the JSON of each record in it."""
    if isinstance(value, Record):
        return value.to_json()
    if isinstance(value, dict):
        return {name: jsonable(each) for name, each in value.items()}
    return [jsonable(each) for each in value] if isinstance(value, list | tuple) else value


def ids_from_json(value: Any) -> list[int]:
    """The ids of an array. Raises Unreadable."""
    if isinstance(value, list) and all(isinstance(each, str) and each.isdecimal() for each in value):
        return [int(each) for each in value]
    raise Unreadable(f"this is not an array of ids: {in_json(value)}")
