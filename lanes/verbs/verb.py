"""A verb: declared once as a function whose signature and docstring say all that every surface needs to know of it.

    @verb("POST /api/lanes/{key}/resume", out=ACTED, errors=(NotFound, Changed))
    def resume(ctx: Context, key: Key, *, epoch: Epoch | None = None) -> Effect[ActedRow]:
        \"\"\"Let lanes claim again.\"\"\"

The command line makes its options and its help of it, HTTP its route and the OpenAPI entry, the drivers
(``lanes.drivers``) the call. What it does is its effect (``lanes.procedure``).
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType, NoneType
from typing import Annotated, Any, Concatenate, Generic, NamedTuple, ParamSpec, TypeVar, get_args, get_origin

from lanes.context import Context
from lanes.errors import LanesError, Unfit
from lanes.procedure import Effect
from lanes.records import Record, Witness
from lanes.verbs.kinds import FLAG, Given, Kind
from lanes.verbs.said import Said
from lanes_storage.law import LaneState
from lanes_storage.moment import Now

P = ParamSpec("P")
T = TypeVar("T")

#: In place of a default: the parameter has to be given.
REQUIRED = inspect.Parameter.empty


class Out(NamedTuple):
    """How the result of a verb is told: the class of its record, how that is made, and whether it is a list."""

    record: type[Record]
    make: Callable[[Any, Witness], Any]
    many: bool = False

    def made(self, result: Any, now: Now) -> Any:
        """What a result is outside: a record, or a list of them."""
        return self.make(result, Witness(now))

    def read(self, form: Any) -> Any:
        """The same from its JSON. Raises Unreadable."""
        return self.record.all_from_json(form) if self.many else self.record.from_json(form)


class Deed(NamedTuple):
    """How a dashboard offers a verb for lanes.

    ``title`` says it with a place for what it is done to, ``word`` is what a button says; ``fits`` are the states in
    which it does anything. ``name``: another one than the verb's; ``params``: those that it is called with besides.
    """

    title: str
    word: str
    fits: frozenset[LaneState] = frozenset(LaneState)
    grave: bool = False
    name: str = ""
    params: Mapping[str, Any] = MappingProxyType({})


class Waiting(NamedTuple):
    """How a call that waits is made over HTTP, where no request may take long: asked for first, then asked after.

    ``first`` are the parameters of the first request, in place of those given; ``again`` makes those of the next ones
    of its record; ``ended`` says whether a record is the last one; ``told`` makes what is told of the first one, the
    last one and the seconds between.
    """

    first: Mapping[str, Any]
    ended: Callable[[Any], bool]
    again: Callable[[Any], Mapping[str, Any]]
    told: Callable[[Any, Any, float], Any]


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter: ``name`` in Python, ``wire`` outside (without the underscore that keeps it apart from a word)."""

    name: str
    kind: Kind
    default: Any
    meaning: str
    given: Given | None
    many: bool

    @property
    def wire(self) -> str:
        return self.name.rstrip("_")

    @property
    def required(self) -> bool:
        return self.default is REQUIRED

    def check(self, value: object) -> Any:
        """The value of a program. Raises Unfit."""
        if value is None and self.default is None:
            return None
        if not self.many:
            return self.kind.check(value, self.wire)
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise Unfit(f"{self.wire} is a sequence, not {type(value).__name__}")
        return tuple(self.kind.check(each, self.wire) for each in value)

    def show(self, value: Any) -> Any:
        """The same as JSON."""
        return [self.kind.show(each) for each in value] if self.many else self.kind.show(value)


class Verb(Generic[P, T]):
    """Called with a context and its parameters, it checks these and gives its effect. Raises Unfit, InvalidKey."""

    def __init__(
        self,
        effect: Callable[Concatenate[Context, P], Effect[T]],
        route: str | None,
        out: Out,
        *,
        errors: tuple[type[LanesError], ...] = (),
        status: int = 200,
        examples: tuple[str, ...] = (),
        said: Callable[[Any], Said] | None = None,
        deeds: tuple[Deed, ...] = (),
        waiting: Waiting | None = None,
        slow: bool = False,
    ) -> None:
        self._effect = effect
        self.name = effect.__name__.rstrip("_").replace("_", "-")
        self.method, _, self.path = (route or "").partition(" ")
        self.out, self.errors, self.status = out, errors, status
        self.examples, self.said, self.deeds, self.waiting, self.slow = examples, said, deeds, waiting, slow

    def __call__(self, ctx: Context, /, *args: P.args, **given: P.kwargs) -> Effect[T]:
        names = (param.name for param in self.params)
        return self.of(ctx, {**dict(zip(names, args, strict=False)), **given})

    def of(self, ctx: Context, given: Mapping[str, Any]) -> Effect[T]:
        """The same with parameters by their names."""
        effect: Callable[..., Effect[T]] = self._effect
        known = self.by_name
        return effect(ctx, **{name: known[name].check(value) for name, value in given.items()})

    @property
    def doc(self) -> str:
        """What it does, for people."""
        return inspect.cleandoc(self._effect.__doc__ or "")

    @property
    def changes(self) -> bool:
        """Whether it changes anything, so that only an operator may call it."""
        return self.method == "POST"

    @cached_property
    def params(self) -> tuple[Param, ...]:
        """Its parameters. Read when they are first needed: a command needs those of one verb."""
        _, *own = inspect.signature(self._effect).parameters.values()
        return tuple(map(_param, own))

    @cached_property
    def by_name(self) -> dict[str, Param]:
        return {param.name: param for param in self.params}


def _param(declared: inspect.Parameter) -> Param:
    """One parameter of a signature: ``Annotated`` adds its kind, what it means, and where it can not be given."""
    said: list[Any] = []
    many, kind_of = False, declared.annotation
    while get_origin(kind_of) is not None:  # from outside to within: what is said last of a kind counts
        inner, *notes = get_args(kind_of)
        if get_origin(kind_of) is Annotated:
            said += reversed(notes)
        elif get_origin(kind_of) is tuple:
            many = True
        else:  # a union with None
            inner = next(each for each in get_args(kind_of) if each is not NoneType)
        kind_of = inner
    kind = next((each for each in said if isinstance(each, Kind)), FLAG)
    meaning = next((each for each in said if type(each) is str), "")
    given = next((each for each in said if isinstance(each, Given)), None)
    return Param(declared.name, kind, declared.default, meaning, given, many)


def verb(
    route: str | None,
    *,
    out: Out,
    errors: tuple[type[LanesError], ...] = (),
    status: int = 200,
    examples: tuple[str, ...] = (),
    said: Callable[[Any], Said] | None = None,
    deeds: tuple[Deed, ...] = (),
    waiting: Waiting | None = None,
    slow: bool = False,
) -> Callable[[Callable[Concatenate[Context, P], Effect[T]]], Verb[P, T]]:
    """Declare a verb. ``route``: method and path, which end with what its parameters name; None: not over HTTP.

    ``said``: what came of it in words, of its record. ``deeds``: how the dashboard offers it. ``status``: of the HTTP
    answer. ``waiting``: how it waits there. ``slow``: it goes over the whole database.
    """

    def declared(effect: Callable[Concatenate[Context, P], Effect[T]]) -> Verb[P, T]:
        return Verb(
            effect,
            route,
            out,
            errors=errors,
            status=status,
            examples=examples,
            said=said,
            deeds=deeds,
            waiting=waiting,
            slow=slow,
        )

    return declared
