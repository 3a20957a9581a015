"""Named tuples that cost little until they are used.

``typing.NamedTuple`` compiles the constructor when the class is created: a tenth of a millisecond, and a command that
prints a table imports some sixty such classes. Here the first call compiles it. To a type checker both are the same.
Generic named tuples, of which there are few, use ``typing.NamedTuple``.
"""

from collections import _tuplegetter  # type: ignore[attr-defined]
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple
else:

    class TupleType(type):
        """Creates the fields of a tuple class from its annotations."""

        def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> type:
            tuple_class = super().__new__(cls, name, bases, namespace | {"__slots__": ()})
            if getattr(bases[0], "_fields", ()):
                return tuple_class  # it has the fields of its base
            fields = () if bases[0] is tuple else tuple(tuple_class.__annotations__)
            tuple_class._fields = tuple_class.__match_args__ = fields
            tuple_class._field_defaults = {field: namespace[field] for field in fields if field in namespace}
            for place, field in enumerate(fields):
                setattr(tuple_class, field, _tuplegetter(place, ""))
            return tuple_class

    class NamedTuple(tuple, metaclass=TupleType):
        """The base class, with the methods of ``typing.NamedTuple``."""

        def __new__(cls, *values: Any, **named: Any) -> Self:
            cls.__new__ = constructor(cls._fields, cls._field_defaults)
            return cls(*values, **named)

        @classmethod
        def _make(cls, values: Iterable[Any]) -> Self:
            result = tuple.__new__(cls, values)
            if len(result) != len(cls._fields):
                raise TypeError(f"{cls.__name__} has {len(cls._fields)} fields, not {len(result)}")
            return result

        def _replace(self, /, **changes: Any) -> Self:
            result = self._make(map(changes.pop, self._fields, self))
            if changes:
                raise ValueError(f"{type(self).__name__} has no {', '.join(changes)}")
            return result

        def _asdict(self) -> dict[str, Any]:
            return dict(zip(self._fields, self, strict=True))

        def __repr__(self) -> str:
            fields = ", ".join(f"{name}={value!r}" for name, value in zip(self._fields, self, strict=True))
            return f"{type(self).__name__}({fields})"

        def __getnewargs__(self) -> tuple[Any, ...]:
            return tuple(self)


def constructor(fields: Iterable[str], defaults: dict[str, Any]) -> Any:
    """Compile a ``__new__`` that takes these fields by position or by name."""
    params = ", ".join(f"{name}=defaults[{name!r}]" if name in defaults else name for name in fields)
    code = f"lambda cls, {params}: new(cls, ({' '.join(f'{name},' for name in fields)}))"
    return eval(code, {"new": tuple.__new__, "defaults": defaults})  # only names, as in collections.namedtuple
