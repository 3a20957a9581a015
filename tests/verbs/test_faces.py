"""The methods of a desk are typed by hand, for editors and type checkers: each says what its verb in the table says."""

import inspect
import types
import typing
from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest

from lanes.desk import EMBEDDER, Desk
from lanes.records import Record
from lanes.verbs import table
from lanes.verbs.verb import Verb


class Face(NamedTuple):
    """How a method of a desk differs from its verb, on purpose.

    ``renamed``: names in the method, and their names in the table. ``converted``: parameters of the method with another
    type or default. ``besides``: what the method takes alone. ``left_out``: what it does not take. ``result``: what it
    gives in place of the record of the verb.
    """

    method: str
    renamed: Mapping[str, str] = types.MappingProxyType({})
    converted: frozenset[str] = frozenset()
    besides: frozenset[str] = frozenset({"actor"})
    left_out: frozenset[str] = frozenset()
    result: str = ""


NONE: frozenset[str] = frozenset()
#: What ``send`` takes of who waits for the message, or owns it; ``ask`` knows who waits.
OF_WAITERS = {"waiting_run", "from_run", "bound_to", "bound_owner", "anonymous"}
BY_ID = types.MappingProxyType({"message_id": "id"})
FACES = {
    "send": Face("send"),
    "answer": Face("answer"),
    "steer": Face("steer"),
    "message": Face("message", BY_ID, besides=NONE, left_out=frozenset({"wait", "waiting_run"})),
    "abort": Face(
        "abort", {"grace_ms": "grace"}, converted=frozenset({"timeout"}), left_out=frozenset({"run_id", "freeing"})
    ),
    "pause": Face("pause", converted=frozenset({"until"}), left_out=frozenset({"for_"}), result="Lane"),
    "resume": Face("resume", result="Lane"),
    "pause-all": Face("pause_all", converted=frozenset({"until"}), left_out=frozenset({"for_"})),
    "resume-all": Face("resume_all"),
    "ack": Face("ack", result="Lane"),
    "conversation": Face("conversation", besides=NONE),
    "new-conversation": Face("new_conversation", result="Lane"),
    "export-conversation": Face("export_conversation", besides=NONE),
    "import-conversation": Face("import_conversation", converted=frozenset({"messages"}), result="Lane"),
    "show": Face("detail", besides=NONE),
    "why": Face("why", besides=NONE, result="str"),
    "list": Face(
        "lanes",
        {"chosen": "filter_", "order": "sort"},
        converted=frozenset({"chosen", "order"}),
        besides=frozenset({"offset"}),
        left_out=frozenset(
            {
                "state",
                "held",
                "match",
                "contains",
                "held_for",
                "abortable",
                "keys",
                "counted",
                "cursor",
                "reverse",
                "source",
            }  # the filter says all that
        ),
        result="list[Lane]",
    ),
    "dead-letters": Face("dead_letters", besides=NONE, left_out=frozenset({"filter_", "older_than", "within"})),
    "messages": Face(
        "messages",
        {"states": "state"},
        converted=frozenset({"states"}),
        besides=NONE,
        left_out=frozenset({"filter_", "before", "within"}),
    ),
    "retry": Face("retry", BY_ID),
    "retry-last": Face("retry_last"),
    "drop": Face("drop", BY_ID),
    "move": Face("move", BY_ID),
    "prune-dead-letters": Face(
        "prune_dead_letters",
        {"older_than_ms": "older_than"},
        left_out=frozenset({"until", "up_to", "filter_"}),
        result="int",
    ),
    "status": Face("status", besides=NONE),
    "providers": Face("providers", besides=NONE),
    "reset-provider": Face("reset_provider"),
    "gateways": Face("drain_wait", {"owner_ids": "id", "timeout": "wait"}, frozenset({"owner_ids", "timeout"}), NONE),
    "events": Face(
        "events",
        {"chosen": "filter_", "since": "since_at"},
        converted=frozenset({"after", "chosen", "newest", "since"}),
        besides=NONE,
        left_out=frozenset({"since", "within", "before"}),
    ),
    "drain": Face(
        "drain", {"owner_id": "gateway"}, frozenset({"until"}), besides=frozenset({"by"}), left_out=frozenset({"for_"})
    ),
    "drain-rehearsal": Face("drain_rehearsal", {"owner_id": "gateway"}, besides=NONE),
}
#: What only surfaces ask: pages and places of a screen, the ids of a filter, and the health of the machine.
NOT_IN_PYTHON = {
    "search",
    "find",
    "marks",
    "groups",
    "tally",
    "search-dead-letters",
    "tally-dead-letters",
    "owner-health",
    "silent",
    "message-ids",
    "message-count",
    "reconcile",
    "doctor",
}
#: Methods that are no verb: they wait in this process, hold a lane, or count.
OF_THE_DESK = {"ask", "call", "call_each", "check_loop", "client_gone", "close", "context", "counts", "hold", "lane",
               "lanes_total", "perform", "register", "wait"}  # fmt: skip


def test_each_verb_has_a_face_and_each_method_a_verb() -> None:
    assert FACES.keys() | NOT_IN_PYTHON == table().keys()
    assert not FACES.keys() & NOT_IN_PYTHON
    methods = {name for name, _ in inspect.getmembers(Desk, inspect.isfunction) if not name.startswith("_")}
    assert methods == {face.method for face in FACES.values()} | OF_THE_DESK


@pytest.mark.parametrize("name", FACES)
def test_a_method_takes_what_its_verb_takes(name: str) -> None:
    face, verb = FACES[name], table()[name]
    method = getattr(Desk, face.method)
    _, *mine = inspect.signature(method).parameters.values()
    taken = {face.renamed.get(param.name, param.name): param for param in mine if param.name not in face.besides}
    assert face.besides <= {param.name for param in mine}
    assert taken.keys() | face.left_out == verb.by_name.keys()
    assert not taken.keys() & face.left_out
    theirs, ours = _types(verb._effect), _types(method)
    for their_name, param in taken.items():
        if param.name not in face.converted:
            assert param.default == verb.by_name[their_name].default, param.name
            assert ours[param.name] == theirs[their_name], param.name
    for param in mine:
        if param.name in ("actor", "by"):
            assert (param.default, ours[param.name]) == (EMBEDDER, str)


@pytest.mark.parametrize("name", FACES)
def test_a_method_gives_what_its_verb_gives(name: str) -> None:
    face, verb = FACES[name], table()[name]
    given = _types(getattr(Desk, face.method))["return"]
    assert _shown(given) == (face.result or _told(verb))


def test_to_ask_takes_what_to_send_takes() -> None:
    send, ask = (dict(inspect.signature(method).parameters) for method in (Desk.send, Desk.ask))
    assert ask.pop("timeout").default is None
    assert ask == {name: param for name, param in send.items() if name not in OF_WAITERS}


def _types(function: Any) -> dict[str, Any]:
    return typing.get_type_hints(function)


def _shown(given: Any) -> str:
    """A type by the name of its class."""
    if typing.get_origin(given) is list:
        return f"list[{_shown(typing.get_args(given)[0])}]"
    return str(given.__name__)


def _told(verb: Verb[..., Any]) -> str:
    record: type[Record] | None = verb.result.record
    assert record is not None
    return f"list[{record.__name__}]" if verb.result.many else record.__name__
