"""Every verb of the table does the same by every driver, under a configuration whose policies matter.

The same calls are made in the same order in three ways: by the driver of commands, by the desk, and by HTTP at a
gateway process. Each way has its own database with the same content, so that even ids are equal. Of each call are
compared: its record as JSON, or its error with code, exit code and HTTP status; and the events that were written. A
verb, a parameter or a declared error of the table that no call covers is a failure, too.
"""

import asyncio
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from lanes.base.errors import LanesError
from lanes.commands.common.exits import exit_of
from lanes.config import Config, from_data, load
from lanes.context import Context
from lanes.desk import Desk
from lanes.drivers.client import GatewayClient
from lanes.drivers.local import LocalDriver
from lanes.drivers.remote import RemoteDriver
from lanes.records import Event, jsonable
from lanes.records.kinds import read_moment
from lanes.records.problems import problem_of
from lanes.verbs import table
from lanes.verbs.kinds import ONLY_PYTHON
from lanes.verbs.verb import Verb
from lanes_storage import doors, open_async_store, open_store, reads
from lanes_storage.clock import system_clock
from lanes_storage.interface import Transaction
from lanes_storage.law import PauseKind, WatchedState
from lanes_storage.records import How, LaneFilter, NewQuestion, Sighting, Subject, Ticket
from tests.kit.cooling import cool
from tests.kit.processes import house
from tests.kit.simulated import simulated
from tests.kit.stage import MINUTE, TERMS, Stage

CONFIG = """
[clocks]
warn_wait_after = "1d"
drain_timeout = "3h"
reconcile_interval = "1s"

[gateway]
port = 0
token_file = "token"

[[policy]]
match = "strict:*"
mode = "reject"

[[policy]]
match = "small:*"
cap = 2

[[policy]]
match = "newest:*"
cap = 2
overflow = "drop-oldest"

[[policy]]
match = "now:*"
mode = "interrupt"
"""
#: Without one, lanes of other programs are not acted on over HTTP.
TOKEN = "a-token-of-the-gateway"
#: No run is past a limit in the middle of a test, however slow the machine is.
LONG = TERMS._replace(run_timeout_ms=1440 * MINUTE, stall_timeout_ms=1440 * MINUTE)
#: A lane of another program's gateway; and a key that is also that of a lane here.
WATCHED, TWICE = "openclaw:agent:watched", "twice:1"
HELD = ("held:wait", "held:force", "held:late", "held:run")
FAILED = ("strict:1", "small:1", "newest:1", "now:1", "failed:1", "failed:2", "acked:1")


class Call(NamedTuple):
    """One call, by the name of the verb."""

    verb: str
    params: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.verb} {self.params}"


def calls(verb: str, *params: Mapping[str, Any]) -> list[Call]:
    return [Call(verb, each) for each in params]


MESSAGE = {"messages": [{"role": "user", "content": "hi"}]}
SAID = {"role": "assistant", "content": [{"type": "text", "text": "yes"}]}
EVENTS = LaneFilter(of=Subject.EVENT)
MESSAGES = LaneFilter(of=Subject.MESSAGE)
CALLS = [
    # first what only looks: the database is as it was furnished
    *calls(
        "list",
        {},
        {"filter_": LaneFilter().where("state", How.IS, "errored"), "limit": 2},
        {"held": True, "match": "held*", "sort": "lane", "reverse": True},
        {"contains": ("mall",), "limit": 10**9},
        {"held_for": 10 * MINUTE},
        {"abortable": "queue", "keys": ("paused:1", "none"), "cursor": "1", "limit": 3},
        {"state": ("errored", "idle")},
        {"match": "*" * 1025},
        {"match": ""},
        {"limit": 10**10},
        {"limit": 0},
        {"limit": "many"},
        {"sort": "sideways"},
        {"limit": 10**30},
        {"cursor": str(10**30)},
        {"cursor": "9:0:0:none"},
        {"source": "openclaw"},
        {"source": "here", "limit": 3},
        {"limit": 1, "counted": False},
    ),
    *calls(
        "search",
        {"limit": 5},
        {"filter_": LaneFilter().where("key", How.HAS, "ail"), "keys": ("failed:1",), "limit": 3, "offset": 0},
        {"sort": "lane", "reverse": True, "limit": 2, "place_of": "small:1", "counted": False},
        {"sort": "silent", "silent": (1, 2), "limit": 3},
        {"keys": tuple(map(str, range(10_001)))},
    ),
    *calls(
        "find",
        {"part": "ail"},
        {"part": "held", "from_": "held:wait", "step": 1, "sort": "lane", "reverse": True, "keys": HELD},
        {"part": "a", "filter_": LaneFilter().where("state", How.IS, "errored"), "sort": "silent", "silent": (1,)},
        {"part": ""},
    ),
    *calls("marks", {}, {"filter_": LaneFilter().where("key", How.HAS, "held"), "keys": HELD, "limit": 2},
           {"keys": tuple(map(str, range(10_001)))}),
    *calls("groups", {"parts": 1}, {"parts": 1, "keys": tuple(map(str, range(10_001)))}),
    *calls("groups", {"parts": 2, "filter_": LaneFilter().where("key", How.HAS, "a"), "keys": HELD, "limit": 1}),
    *calls("silent", {}, {"limit": 1}),
    *calls("tally", {}, {"filter_": LaneFilter().where("key", How.HAS, "held"), "keys": HELD},
           {"keys": tuple(map(str, range(10_001)))}),
    *(
        call
        for name in ("show", "why")
        for call in calls(
            name,
            *({"key": key} for key in ("held:wait", "failed:1", "paused:1", "none", WATCHED, "agent:watched")),
            *({"key": f"openclaw:{TWICE}", "source": source} for source in (None, "here", "openclaw")),
            {"key": "held:wait", "source": "openclaw"},
        )
    ),
    *calls(
        "messages",
        {"key": "small:1"},
        {"key": "small:1", "state": ("queued",), "limit": 1, "before": 10**6},
        {"key": "small:1", "filter_": MESSAGES.where("text", How.HAS, "wait")},
        {"key": "none"},
    ),
    *calls(
        "dead-letters",
        {},
        {"filter_": MESSAGES.where("cause", How.IS, "provider_failed"), "limit": 2, "before": 10**6},
        {"older_than": 0, "waiting": True},
    ),
    *calls(
        "search-dead-letters",
        {"limit": 2},
        {"filter_": MESSAGES.where("key", How.HAS, "fail"), "waiting": True, "limit": 2, "offset": 1, "place_of": 9},
    ),
    *calls(
        "tally-dead-letters",
        {},
        {"filter_": MESSAGES.where("key", How.HAS, "fail"), "older_than": 0, "until": 10**13, "up_to": 10**6},
    ),
    *(
        call
        for name in ("message-ids", "message-count")
        for call in calls(
            name,
            {"for_": "drop"},
            {"for_": "retry", "filter_": MESSAGES.where("key", How.HAS, "fail")},
            {"for_": "x"},
        )
    ),
    *calls("message", {"id": 1}, {"id": 1, "wait": 0}, {"id": 3, "wait": 1, "waiting_run": 1}),
    *calls("message", {"id": 8, "wait": 0, "waiting_run": 4}),
    *calls("message", {"id": 10**6}, {"id": -1}),
    *calls("status", {}),
    *calls("providers", {}),
    *calls("reset-provider", {"name": "codex"}, {"name": "codex"}, {"name": "none"}, {"name": ""}),
    *calls("providers", {}),
    *calls("gateways", {}, {"id": (1,)}, {"id": (1, 2), "wait": 1}),
    *calls(
        "events",
        {"key": "failed:1"},
        {"filter_": EVENTS.where("key", How.HAS, "fail"), "since": 10 * MINUTE},
        {"type": "fail", "after": 1, "limit": 3},
        {"before": 9, "limit": 3},
        {"limit": 0},
        {"type": "No Word"},
        {"key": "none"},
    ),
    *calls("doctor", {}),
    *calls("owner-health", {}),
    *calls("drain-rehearsal", {}, {"gateway": 2}, {"gateway": 999}),
    *calls("reconcile", {}, {"dry_run": True}),
    *calls("conversation", {"key": "failed:1"}, {"key": "failed:1", "number": 1, "limit": 1},
           {"key": "failed:1", "number": 7}, {"key": "none"}),
    *calls("export-conversation", {"key": "failed:1"}, {"key": "failed:1", "number": 1}, {"key": "none"}),
    # the policies
    *calls("send", *({"key": key, "text": "x"} for key in ("strict:1", "small:1", "newest:1", "now:1"))),
    *calls(
        "send",
        {"key": "paused:1", "text": "x"},
        {"key": "new:1", "request": MESSAGE},
        {"key": "new:1", "request": {**MESSAGE, "n": 2}},
        {"key": "new:1", "request": {"messages": []}},
        {"key": "new:1", "text": "x", "request": MESSAGE},
        {"key": "new:1"},
        {"key": "new:1", "text": "x", "if_idle": True},
        {"key": "new:1", "text": "x", "idempotency_key": "the same"},
        {"key": "new:1", "text": "x", "idempotency_key": "the same"},
        {"key": "new:1", "text": "another", "idempotency_key": "the same"},
        {"key": "new:1", "text": "x", "idempotency_key": ""},
        {"key": "new:1", "text": "x", "fresh": True},
        {"key": "new:1", "request": MESSAGE, "fresh": True},
        {"key": "held:run", "text": "x", "waiting_run": 4},
        {"key": "new:1", "text": "x", "from_run": 4},
        {"key": "a\nb", "text": "x"},
        {"key": 7, "text": "x"},
        {"key": "new:1", "text": 7},
    ),
    *calls("send", {"key": "strict:1", "text": "x", "sender": "ou_7"}, {"key": "new:1", "text": "x", "sender": "ou_7"}),
    *calls(
        "answer",
        {"key": "held:run", "text": "perhaps", "question": "4.1"},
        {"key": "held:run", "text": "yes", "question": "9.1"},
        {"key": "held:run", "text": " "},
        {"key": "held:run", "text": "1"},
        {"key": "held:run", "text": "no"},
        {"key": "failed:1", "text": "yes"},
        {"key": "failed:1", "text": "yes", "question": "9.1"},
        {"key": "none", "text": "yes"},
    ),
    *calls("steer", *({"key": key, "text": "quickly"} for key in ("held:run", "small:1", "none"))),
    *calls("retry", *({"id": 2 * len(HELD) + 1 + 2 * number} for number in range(len(FAILED)))),
    *calls("retry", {"id": 2}, {"id": 10**6}),
    *calls(
        "retry-last",
        *({"key": key} for key in ("strict:1", "small:1", "newest:1", "now:1", "failed:2", "failed:2", "none")),
        {"key": "acked:1", "epoch": 99},
    ),
    *calls("move", {"id": 2, "front": True}, {"id": 1, "front": True}, {"id": 2}, {"id": 10**6, "front": True}),
    *calls("drop", {"id": 2}, {"id": 1}, {"id": 2}, {"id": 10**6}),
    # what is done to lanes
    *calls("pause", {"key": "failed:1", "for_": 10 * MINUTE, "reason": "repair"}, {"key": "failed:1", "epoch": 99},
           {"key": "none"}, {"key": "failed:1", "reason": "x" * 5_000}),
    *calls("resume", {"key": "failed:1"}, {"key": "failed:1"}, {"key": "failed:1", "epoch": 99}, {"key": "none"}),
    *calls("pause-all", {"match": "acked:*", "for_": 10 * MINUTE, "reason": "repair"}, {}, {"match": ""}),
    *calls("resume-all", {"match": "acked:*", "set_at": 1}, {"match": "acked:*"}, {}, {}, {"match": "x" * 5_000}),
    *calls("new-conversation", {"key": "failed:1"}, {"key": "failed:1", "epoch": 99}, {"key": "held:wait"},
           {"key": "none"}),
    *calls("import-conversation", {"key": "failed:1", "messages": (MESSAGE["messages"][0], SAID)}, {"key": "held:wait",
           "messages": (SAID | {"role": "user"},)}, {"key": "made:1", "messages": (SAID | {"role": "user"},)},
           {"key": "failed:1", "messages": (SAID,)}, {"key": "failed:1", "messages": ()},
           {"key": "a\nb", "messages": ()}),
    *calls("conversation", {"key": "failed:1"}),
    *calls("ack", {"key": "acked:1"}, {"key": "acked:1", "epoch": 99}, {"key": "held:wait"}, {"key": "none"}),
    *calls(
        "abort",
        {"key": "held:wait", "wait": False, "grace": 10 * MINUTE, "reason": "stuck"},
        {"key": "held:wait", "run_id": 1, "timeout": 1},
        {"key": "held:late", "timeout": 1, "scope": "both"},
        {"key": "held:force", "force": True},
        {"key": "held:force", "epoch": 99},
        {"key": "failed:1"},
        {"key": "paused:1", "scope": "queue"},
        {"key": "none"},
        {"key": "held:run", "run_id": 999},
        {"key": "held:run", "scope": "everything"},
        {"key": WATCHED, "epoch": 99},
        {"key": WATCHED, "wait": False, "reset": True},
        {"key": "openclaw:agent:idle", "source": "openclaw"},
        {"key": f"openclaw:{TWICE}"},
        {"key": WATCHED, "freeing": 1, "timeout": 0},
        {"key": WATCHED, "freeing": 99},
    ),
    *calls(
        "prune-dead-letters",
        {"older_than": 0, "until": 1, "up_to": 1, "filter_": MESSAGES.where("key", How.HAS, "fail")},
    ),
    *calls("prune-dead-letters", {"older_than": 10 * MINUTE}, {"older_than": 0}, {"older_than": -1}),
    # the policy of the database, and at last the end of it all
    *calls("drain", {"gateway": 999}, {"gateway": 2}, {"for_": 360 * MINUTE}),
]  # fmt: skip

#: What the drivers call alike for all: a call gives its record, or raises.
Calling = Callable[[Verb[..., Any], Mapping[str, Any]], Any]


class Way(NamedTuple):
    """A way to call verbs, and the database that they act on."""

    call: Calling
    stage: Stage


def furnish(stage: Stage) -> None:
    """The same in each database. Everything is paused, so that the gateway claims nothing."""
    stage.store.write(lambda tx: cool(tx, "codex", "quota", 10 * MINUTE, system_clock()))
    me = stage.owner(kind="desk", heartbeat_interval_ms=480 * MINUTE, stale_after_ms=1440 * MINUTE)
    for key in HELD:
        stage.hold(key, me, "one that waits", terms=LONG)
    asks = NewQuestion("4.1", "Delete it?", 1440 * MINUTE, ("yes", "no"), permission=True)
    stage.store.write(lambda tx: doors.ask(tx, Ticket(4, 4), asks, system_clock(), by="run"))
    for key in FAILED:
        for _ in range(2):  # one to be retried by its id, one as the last
            stage.fail(stage.hold(key, me, terms=LONG))
    stage.send("strict:1", "waits")
    stage.send("small:1", "waits", "waits")
    stage.send("newest:1", "waits", "waits")
    stage.send("now:1", "waits")
    stage.send("paused:1", "waits")
    stage.send(f"openclaw:{TWICE}", "waits")
    stage.store.write(lambda tx: watch(tx, me))
    now = system_clock()
    stage.store.write(lambda tx: doors.pause(tx, "paused:1", now, actor="me", reason="repair", until=None))
    stage.store.write(lambda tx: doors.pause_matching(tx, "?*", PauseKind.HAND, now, actor="me", reason="a test"))


def watch(tx: Transaction, owner: int) -> None:
    """What is seen of another program's gateway."""
    now, running = system_clock(), WatchedState.RUNNING
    doors.watch(tx, "openclaw", "openclaw", "ws://127.0.0.1:9", owner, now, is_gone=lambda *_: False)
    seen = [Sighting(key, running, ("a-run",), now.wall, now.wall, 1) for key in ("agent:watched", TWICE)]
    seen.append(Sighting("agent:idle", WatchedState.IDLE))
    doors.keep_sightings(tx, "openclaw", owner, seen, now, from_files=False, whole=True)


@contextmanager
def way_of(name: str, folder: Path, *, config: Config | None = None) -> Iterator[Way]:
    """``config``: in place of the one that the gateway has."""
    with ExitStack() as stack:
        made = stack.enter_context(house(folder))
        made.config.with_name("token").write_text(TOKEN)
        made.config.write_text(CONFIG + simulated("http://127.0.0.1:9"))
        stage = Stage(made.database)
        stack.callback(stage.close)
        furnish(stage)
        gateway = made.gateway()
        config = config or load(made.config)
        context = Context("alice", configured=lambda: config, database=str(made.database))
        if name == "command":
            store = open_store(str(made.database))
            stack.callback(store.close)
            local = LocalDriver(store, context)
            yield Way(lambda verb, params: local.call(verb, **params), stage)
        elif name == "desk":
            runner = stack.enter_context(asyncio.Runner())

            async def opened() -> Desk:
                return Desk(await open_async_store(str(made.database), create=False), config=config)

            desk = runner.run(opened())
            stack.callback(lambda: runner.run(desk.close()))
            yield Way(lambda verb, params: runner.run(desk.call(verb, desk.context("alice"), **params)), stage)
        else:
            client = GatewayClient(gateway.url, TOKEN)
            stack.callback(client.close)
            remote = RemoteDriver(client)
            yield Way(lambda verb, params: remote.call(verb, **params), stage)


TIME = re.compile(r"\d{4}-\d\d-\d\d[T ][0-9:.]+Z|\d\d:\d\d:\d\d")
AGE = re.compile(r"\b\d+(\.\d+)?( ?(ms|s|m|h|d)\b)+( \d+ ?(ms|s|m|h|d)\b)*|less than a second")
ACTOR = re.compile(r"alice|token@[0-9.]+")
#: What tells two processes apart; and two databases, and what the doctor says of its machine.
OF_PROCESSES = frozenset({"pid", "host"})
#: The routes about more than lanes and messages.
OF_WHOLE = frozenset({"status", "gateways", "drain", "doctor", "owners/health"})
OF_SYSTEM = OF_PROCESSES | {"url", "database", "evidence", "message", "fix", "descriptors", "descriptors_limit"}


def told(value: Any, hidden: frozenset[str]) -> Any:
    """JSON without times, ages and what is of one process. Of a drain it tells in how many hours it ends."""
    if isinstance(value, list):
        return [told(each, hidden) for each in value]
    if isinstance(value, dict):
        return {name: _field(name, each, hidden) for name, each in value.items()}
    return AGE.sub("AGE", TIME.sub("TIME", ACTOR.sub("ACTOR", value))) if isinstance(value, str) else value


def _field(name: str, value: Any, hidden: frozenset[str]) -> Any:
    if name == "until" and isinstance(value, str):
        return round((read_moment(value) - system_clock().wall) / (60 * MINUTE))
    return None if name in hidden or name.endswith("_s") else told(value, hidden)


class Came(NamedTuple):
    """What came of a call: its record or its error, and what was written."""

    result: Any
    events: Any


def came(way: Way, call: Call) -> Came:
    verb, read = table()[call.verb], way.stage.store.read
    last = max(event.id for event in read(reads.events(limit=1, newest=True)))
    hidden = OF_SYSTEM if verb.path.removeprefix("/api/") in OF_WHOLE else OF_PROCESSES
    try:
        result = told(json.loads(json.dumps(jsonable(way.call(verb, call.params)))), hidden)
    except LanesError as error:
        problem = problem_of(error)
        result = (type(error).__name__, str(error), int(exit_of(error)), problem.status, problem.code, problem.members)
    written = [Event.of(row).to_json() | {"id": None} for row in read(reads.events(after=last))]
    return Came(result, told([event for event in written if ACTOR.fullmatch(event["actor"] or "")], OF_PROCESSES))


def all_of(way: Way) -> dict[str, Came]:
    """What came of each call, in their order."""
    return {f"{number} {call}": came(way, call) for number, call in enumerate(CALLS)}


@pytest.fixture(scope="module")
def by_command(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Came]:
    with way_of("command", tmp_path_factory.mktemp("command")) as way:
        return all_of(way)


@pytest.mark.parametrize("name", ["desk", "http"])
def test_every_verb_does_the_same_by_every_driver(tmp_path: Path, by_command: dict[str, Came], name: str) -> None:
    with way_of(name, tmp_path) as way:
        outcomes = all_of(way)
    different = {
        call: (outcomes[call], expected) for call, expected in by_command.items() if outcomes[call] != expected
    }
    assert different == {}


@pytest.mark.parametrize("name", ["command", "desk"])
def test_a_driver_that_forgets_the_policies_is_noticed(tmp_path: Path, by_command: dict[str, Came], name: str) -> None:
    with way_of(name, tmp_path, config=from_data({})) as way:
        outcomes = all_of(way)
    different = [call for call, expected in by_command.items() if outcomes[call] != expected]
    for verb, key in (
        ("send", "strict"),
        ("send", "small"),
        ("send", "newest"),
        ("send", "now"),
        ("retry-last", "strict"),
    ):
        assert any(f" {verb} " in call and f"'{key}:1'" in call for call in different), (verb, key)
    for verb in ("retry", "retry-last", "drain"):
        assert any(f" {verb} " in call for call in different), verb


# ------------------------------------------------------------------------------- what the calls have to cover


@pytest.mark.parametrize("name", table())
def test_the_calls_cover_the_verb(by_command: dict[str, Came], name: str) -> None:
    """A verb that is added to the table, a parameter and an error, need a call here."""
    verb = table()[name]
    mine = [call for call in CALLS if call.verb == name]
    assert mine, "the verb has no call"
    given = {param for call in mine for param in call.params}
    assert given >= {param.name for param in verb.params if param.restriction is not ONLY_PYTHON}
    results = [by_command[f"{number} {call}"].result for number, call in enumerate(CALLS) if call.verb == name]
    met = {result[0] for result in results if isinstance(result, tuple)}
    assert met >= {error.__name__ for error in verb.errors}
    assert any(not isinstance(result, tuple) for result in results), "each of its calls is refused"


def test_what_acts_writes_who_did_it(by_command: dict[str, Came]) -> None:
    acting = {call.split()[1] for call, came_of in by_command.items() if came_of.events}
    assert acting == {name for name, verb in table().items() if verb.changes} - {"reconcile"}
