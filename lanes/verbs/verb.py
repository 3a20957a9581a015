"""A verb: declared once, as a function whose signature and docstring tell every surface what it needs.

    @verb("POST /api/lanes/{key}/resume", result=Acted, errors=(NotFound, Changed))
    def resume(ctx: Context, key: Key, *, epoch: Epoch | None = None) -> Effect[Acted]:
        \"\"\"Let lanes claim again.\"\"\"

The command line derives its options and help from it, HTTP its route and the OpenAPI entry, the drivers
(``lanes.drivers``) the call. What the verb does is its effect (``lanes.base.procedure``).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType, NoneType
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, Generic, ParamSpec, TypeVar, get_args, get_origin

from lanes.base.errors import LanesError, Unfit
from lanes.base.procedure import Effect
from lanes.context import Context
from lanes.records import Record, ids_from_json
from lanes.records.json_schema import Schema
from lanes.verbs.kinds import FLAG, ID, ParamHeader, ParamKind, ParamRestriction, filter_of
from lanes.verbs.paging import PAGE, Paging
from lanes_storage.law import LaneState
from lanes_storage.records import Subject
from lanes_storage.tuples import NamedTuple

if TYPE_CHECKING:
    from lanes.verbs.outcomes import OutcomeText

P = ParamSpec("P")
T = TypeVar("T")

#: Instead of a default: the parameter is required.
REQUIRED = inspect.Parameter.empty


class ResultForm(NamedTuple):
    """The form of a result: the class of its record (None: an id), and whether there are many."""

    record: type[Record] | None
    many: bool = False

    @classmethod
    def of(cls, result: Any) -> ResultForm:
        """``result`` is the class of a record, or a list of it; ``list[str]``: ids."""
        many = get_origin(result) is list
        one = get_args(result)[0] if many else result
        return cls(None if one is str else one, many)

    @property
    def name(self) -> str:
        """The name of the record in the documents."""
        return "Id" if self.record is None else self.record.__name__

    @property
    def schema(self) -> Schema:
        """Its schema."""
        one: Schema = ID.schema if self.record is None else {"$ref": self.name}
        return {"type": "array", "items": one} if self.many else one

    def read(self, form: Any) -> Any:
        """The record of a result in JSON. Raises Unreadable."""
        if self.record is None:
            return [str(each) for each in ids_from_json(form)]
        return self.record.all_from_json(form) if self.many else self.record.from_json(form)


class DashboardAction(NamedTuple):
    """How a dashboard offers a verb for lanes or messages.

    ``title``: with a placeholder for the lanes. ``word``: the label of a button. ``fits``: the states in which it has
    an effect. ``grave``: it cannot be undone. ``name``: instead of the verb's. ``params``: further parameters.
    """

    title: str
    word: str
    fits: frozenset[LaneState] = frozenset(LaneState)
    grave: bool = False
    name: str = ""
    params: Mapping[str, Any] = MappingProxyType({})


def _the_last(first: Any, last: Any, waited_s: float) -> Any:
    del first, waited_s
    return last


class WaitOverHttp(NamedTuple):
    """How a call that waits is made over HTTP, where no request may take long: one request, then polling.

    ``patience``: the name of the parameter for the longest wait, in milliseconds. ``waits``: whether a call with these
    parameters waits. ``first``: parameters of the first request instead of those given. ``again``: the parameters of
    the polling requests, from those given and the first record. ``ended``: whether a record is the last one.
    ``combined``: the result, from the first record, the last one and the seconds between them.
    """

    patience: str
    waits: Callable[[Mapping[str, Any]], bool]
    first: Mapping[str, Any]
    again: Callable[[Mapping[str, Any], Any], Mapping[str, Any]]
    ended: Callable[[Any], bool]
    combined: Callable[[Any, Any, float], Any] = _the_last


class VerbParam(NamedTuple):
    """One parameter: ``name`` in Python, ``wire`` outside (without the underscore that avoids a keyword)."""

    name: str
    wire: str
    kind: ParamKind
    default: Any
    meaning: str
    restriction: ParamRestriction | None
    header: ParamHeader | None
    many: bool

    @property
    def required(self) -> bool:
        return self.default is REQUIRED

    def check(self, value: object) -> Any:
        """Check and convert a value from Python. Raises Unfit."""
        if value is None and self.default is None:
            return None
        if not self.many:
            return self.kind.check(value, self.wire)
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise Unfit(f"{self.wire} is a sequence, not {type(value).__name__}")
        return tuple(self.kind.check(each, self.wire) for each in value)

    def show(self, value: Any) -> Any:
        """A value as JSON."""
        return [self.kind.show(each) for each in value] if self.many else self.kind.show(value)


class Verb(Generic[P, T]):
    """Called with a context and parameters, it checks these and returns its effect. Raises Unfit, InvalidKey."""

    def __init__(
        self,
        effect: Callable[Concatenate[Context, P], Effect[T]],
        route: str,
        result: ResultForm,
        about: About,
    ) -> None:
        self._effect = effect
        self.name = effect.__name__.rstrip("_").replace("_", "-")
        self.method, _, self.path = route.partition(" ")
        self.result, self.about = result, about
        self.errors, self.waiting, self.paging = about.errors, about.waiting, about.paging

    def __call__(self, ctx: Context, /, *args: P.args, **params: P.kwargs) -> Effect[T]:
        names = (param.name for param in self.params)
        return self.of(ctx, {**dict(zip(names, args, strict=False)), **params})

    def of(self, ctx: Context, params: Mapping[str, Any]) -> Effect[T]:
        """As calling it, with all parameters by name; None means not given."""
        make: Callable[..., Effect[T]] = self._effect
        checked = self.checked(params)
        effect = make(ctx, **checked)
        if not self._filtered or not any(getattr(value, "doubtful", ()) for value in checked.values()):
            return effect
        from lanes.filters.doubts import cleared, doubts_of

        return cleared(effect, doubts_of(checked.values()))

    def checked(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Check the given parameters and convert them to what the verb expects. Raises Unfit, InvalidKey."""
        known = self.by_name
        return {
            name: known[name].check(value)
            for name, value in params.items()
            if value is not None or known[name].required
        }

    def outcome(self, record: Any) -> OutcomeText:
        """The sentence for the record of a verb that changes something."""
        assert self.about.outcome_text is not None
        return self.about.outcome_text(record)

    @property
    def doc(self) -> str:
        """Its documentation."""
        return inspect.cleandoc(self._effect.__doc__ or "")

    @property
    def posted(self) -> bool:
        """Whether its parameters are sent in a body."""
        return self.method == "POST"

    @property
    def changes(self) -> bool:
        """Whether it changes anything, so that only an operator may call it."""
        return self.posted and not self.about.looks

    @cached_property
    def params(self) -> tuple[VerbParam, ...]:
        """Its parameters, read from the signature only when needed: a command needs those of a single verb."""
        _, *own = inspect.signature(self._effect).parameters.values()
        return tuple(map(_param, own))

    @cached_property
    def _filtered(self) -> bool:
        """Whether a parameter is a filter, whose words may be doubtful."""
        return any(param.kind in map(filter_of, Subject) for param in self.params)

    @cached_property
    def by_name(self) -> dict[str, VerbParam]:
        return {param.name: param for param in self.params}


def _param(declared: inspect.Parameter) -> VerbParam:
    """One parameter of a signature: ``Annotated`` adds its kind, its meaning, and where it cannot be given."""
    annotations: list[Any] = []
    many, kind_of = False, declared.annotation
    while get_origin(kind_of) is not None:  # outermost first; of several notes of a type, the outermost last one counts
        inner, *notes = get_args(kind_of)
        if get_origin(kind_of) is Annotated:
            annotations += reversed(notes)
        elif get_origin(kind_of) is tuple:
            many = True
        else:  # a union with None
            inner = next(each for each in get_args(kind_of) if each is not NoneType)
        kind_of = inner
    kind = next((each for each in annotations if isinstance(each, ParamKind)), FLAG)
    meaning = next((each for each in annotations if type(each) is str), "")
    restriction = next((each for each in annotations if isinstance(each, ParamRestriction)), None)
    header = next((each for each in annotations if isinstance(each, ParamHeader)), None)
    wire = declared.name.rstrip("_")
    return VerbParam(declared.name, wire, kind, declared.default, meaning, restriction, header, many)


class About(NamedTuple):
    """The properties of a verb besides its signature.

    ``errors``: the errors that it raises. ``status``: of the HTTP response. ``examples``: for the help.
    ``outcome_text``: a sentence for its record. ``printed``: what its command prints instead. ``deeds``: how the
    dashboard offers it. ``waiting`` and ``paging``: how it is called over HTTP if it waits, and if its list is long.
    ``looks``: it changes nothing, although it is a POST. ``listed``: the default limit over HTTP. ``slow``: it reads
    the whole database. ``whole``: the verb that does it to all lanes whose key fits a glob.
    """

    errors: tuple[type[LanesError], ...] = ()
    status: int = 200
    examples: tuple[str, ...] = ()
    outcome_text: Callable[[Any], OutcomeText] | None = None
    printed: Callable[[Any], str] | None = None
    deeds: tuple[DashboardAction, ...] = ()
    waiting: WaitOverHttp | None = None
    paging: Paging | None = None
    looks: bool = False
    listed: int = PAGE
    slow: bool = False
    whole: Verb[..., Any] | None = None


def verb(
    route: str, *, result: Any, **about: Any
) -> Callable[[Callable[Concatenate[Context, P], Effect[T]]], Verb[P, T]]:
    """Declare a verb. ``route``: method and path, with placeholders for its parameters. ``result``: the class of the
    record that the effect returns, or a list of it. ``about``: the fields of ``About``.
    """

    def declared(effect: Callable[Concatenate[Context, P], Effect[T]]) -> Verb[P, T]:
        return Verb(effect, route, ResultForm.of(result), About(**about))

    return declared
