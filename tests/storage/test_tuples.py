"""Named tuples whose constructor waits for the first call: otherwise they are those of ``typing``."""

import copy
import pickle
import typing

import pytest

from lanes_storage.tuples import NamedTuple


class Seen(NamedTuple):
    """One that is made here."""

    key: str
    place: int = 7
    rest: tuple[str, ...] = ()

    @property
    def told(self) -> str:
        """A property of it."""
        return f"{self.key}: {self.place}"


class Typed(typing.NamedTuple):
    """The same, of ``typing``."""

    key: str
    place: int = 7
    rest: tuple[str, ...] = ()


def test_it_is_the_tuple_of_its_values() -> None:
    seen = Seen("a", rest=("b",))
    assert tuple(seen) == ("a", 7, ("b",))
    assert seen == tuple(Typed("a", rest=("b",)))
    assert (seen.key, seen.place, seen.rest, seen.told) == ("a", 7, ("b",), "a: 7")
    assert hash(seen) == hash(("a", 7, ("b",)))
    assert repr(seen) == "Seen(key='a', place=7, rest=('b',))"
    assert not hasattr(seen, "__dict__")
    with pytest.raises(AttributeError):
        setattr(seen, "key", "b")  # noqa: B010


def test_it_has_what_others_ask_of_a_named_tuple() -> None:
    seen = Seen("a", 1)
    assert Seen._fields == Typed._fields
    assert Seen._field_defaults == Typed._field_defaults
    assert Seen.__annotations__ == Typed.__annotations__
    assert seen._replace(place=2) == Seen("a", 2)
    assert seen._asdict() == {"key": "a", "place": 1, "rest": ()}
    assert Seen._make(["a", 1, ()]) == seen
    match seen:
        case Seen(key, place):
            assert (key, place) == ("a", 1)


def test_it_is_copied_and_sent_as_itself() -> None:
    for seen in (copy.copy(Seen("a")), copy.deepcopy(Seen("a")), pickle.loads(pickle.dumps(Seen("a")))):
        assert type(seen) is Seen
        assert seen == Seen("a")


def test_wrong_arguments_are_refused() -> None:
    made: typing.Any = Seen
    for values, named in (((), {}), (("a", 1, (), 4), {}), (("a",), {"other": 1})):
        with pytest.raises(TypeError):
            made(*values, **named)
    with pytest.raises(TypeError, match="3 fields"):
        made._make("a")
    with pytest.raises(ValueError, match="other"):
        made("a")._replace(other=1)


def test_one_of_a_row_has_its_fields() -> None:
    class Child(Seen):
        """It adds a method only."""

        __slots__ = ()

        def twice(self) -> int:
            return 2 * self.place

    assert Child("a", 4).twice() == 8
    assert Seen("a", 4) == Child("a", 4)
