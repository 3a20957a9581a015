"""A filter means the same in memory and in SQL: random filters over random lanes, messages and events."""

import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lanes import filters
from lanes.records import HERE, Event
from lanes.testing import MINUTE, SECOND, Hands
from lanes_storage import doors, reads
from lanes_storage.globs import as_pattern, as_sqlite, from_sqlite
from lanes_storage.interface import Query
from lanes_storage.law import Cause, MessageState
from lanes_storage.records import (
    AttemptPhase,
    Beat,
    LaneFilter,
    LaneRow,
    MessageRow,
    ProviderAttempt,
    RunFailure,
    RunResult,
    RunRow,
    Subject,
)
from tests.kit.databases import new_store
from tests.kit.world import World

KEYS = ("agent:main:telegram:42", "agent:[x]:Feishu", "a", "É:é", "飞书:1", 'say "hi"', "x*y", "state:idle", "m^-]n")
RUNNERS, ACTORS = ("chat", "coder"), ("alice", "Bob", "token@127.0.0.1")
TEXTS = ("a refund, please", "REFUND", "什么", "")
CAUSES = (Cause.PROVIDER_FAILED, Cause.STALL_TIMEOUT, Cause.read("tool_missing"))
AGES = ("0s", "1ms", "3s", "10s", "1m", "5m")


class House(World):
    """Lanes in every state, some paused, with what runs and waits in them, made by chance."""

    def furnish(self, chance: random.Random) -> None:
        """Make them."""
        owners = (self.me, self.owner(host="elsewhere.example", pid=17), self.owner(host="Here", pid=4712))
        for number in range(40):
            self.time.move(chance.randrange(4 * SECOND))
            self._lane(f"{chance.choice(KEYS)}{number if number >= len(KEYS) else ''}", chance.choice(owners), chance)
        self.time.move(MINUTE)
        self.beat(owner=owners[1])
        running = [run for run in self.store.read(reads.open_runs()) if chance.randrange(3)]
        for run in running:
            self._asks(run, chance.choice(("codex", "backup")))

    def _asks(self, run: RunRow, provider: str) -> None:
        phase = AttemptPhase(provider, "idle_timeout", SECOND)
        beat = Beat(run.ticket, run.progress, run.progress_boot, run.progress_at, attempt=phase)
        self.step(lambda tx: doors.note_progress(tx, run.owner_id, [beat]))

    def _lane(self, key: str, owner: int, chance: random.Random) -> None:
        if self.store.read(reads.lane(key)) is not None:
            return
        self._send(key, chance)
        claimed = self.claim(key, owner, runner=chance.choice(RUNNERS))
        self.time.move(chance.randrange(SECOND))
        end = chance.randrange(6)
        tried = ("codex", "backup")[: chance.randrange(3)]
        chain = tuple(ProviderAttempt(name, "server_error", "500", 1) for name in tried)
        if end == 0:
            self.complete(claimed.ticket, RunResult("the reply", attempts=chain))
        elif end == 1:
            self.fail(claimed.ticket, RunFailure(chance.choice(CAUSES), chance.choice(("not found", "É")), chain))
        elif end == 2:
            self.request_abort(key)
            self.abort(claimed.ticket)
        elif end == 3:
            self.reclaim(claimed.ticket)
        for _ in range(chance.randrange(4)):
            self._send(key, chance)
        if chance.randrange(3) == 0:
            self.pause(key, until=chance.choice((None, self.time().wall + SECOND, self.time().wall + 10 * MINUTE)))

    def _send(self, key: str, chance: random.Random) -> None:
        text = chance.choice(TEXTS)
        more: dict[str, Any] = {"text": text} if text else {"text": None, "request": '{"input": "a Refund"}'}
        self.send(key, actor=chance.choice(ACTORS), runner=chance.choice((None, *RUNNERS)), **more)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Only looked at."""
    store = new_store(tmp_path_factory.mktemp("house") / "lanes.db")
    made = House(store, Hands())
    made.furnish(random.Random(11))
    yield made
    store.close()


PARTS = st.sampled_from([
    "a", "É", "é", "飞", "AGENT", "agent:*", "*[!m]*", "agent:[[]x]*", '"x*y"', "m[]^-]*", "*[^]*", '"say ""hi"""',
    "?", "key:=a", "key:x[*]y*", '"state:idle"', "owner:here", "owner:=Here:4712", "owner:4712", "owner:17",
    "owner:*.example:*", "error:NOT", "error:É", "error:é", "error:provider_failed*", "cause:stall_timeout",
    "cause:tool_*,ghost", "cause:*", "runner:chat", "runner:c*r,chat", "provider:codex", "provider:*", "paused:yes",
    "paused:no", "text:refund", "text:*und", "text:什", "actor:alice", "actor:Bob,tok*", "source:here", "source:open*",
    "queue:0", "queue:>1", "queue:<2", "queue:>=1", "state:r,e", "state:a", "state:i", "state:failed", "state:q,done",
])  # fmt: skip
SPANS = st.builds(
    "{}:{}{}".format,
    st.sampled_from(["held", "wait", "beat", "silent", "changed"]),
    st.sampled_from(["", ">", "<", ">=", "<="]),
    st.sampled_from(AGES),
)
TYPED = st.lists(
    st.builds("{}{}".format, st.sampled_from(["", "", "-", "!"]), PARTS | SPANS | st.just("since:10s")), max_size=4
).map(" ".join)


def understood(typed: str, world: World, of: Subject) -> LaneFilter | None:
    parsed = filters.parse(typed, world.time().wall, of)
    return parsed.chosen if parsed.problem is None else None


def of_lane(lane: LaneRow, message: MessageRow | None, at: int) -> filters.Facts:
    """The facts of a lane; ``message`` is the running one, otherwise the first waiting one. Pauses count at ``at``."""
    run, owner, error, pause = lane.run, lane.owner, lane.last_error, lane.pause
    return {
        "state": lane.state,
        "key": lane.key,
        "owner": owner and (f"{owner.host}:{owner.pid}", str(owner.pid), str(owner.id)),
        "held": run and run.claimed_at,
        "wait": lane.head_accepted_at,
        "beat": owner and owner.heartbeat_at,
        "silent": run and run.progress_at,
        "queue": lane.queued,
        "error": error and f"{error.cause} {error.message}",
        "cause": error and error.cause,
        "runner": run.runner if run else message and message.runner,
        "provider": run and run.attempt and run.attempt.provider,
        "paused": int(pause is not None and (pause.until is None or pause.until > at)),
        "changed": lane.updated_at,
        "actor": message and message.actor,
        "text": message and (message.text, message.request),
        "source": HERE,
    }


def of_message(message: MessageRow, run: RunRow | None, *, paused: bool) -> filters.Facts:
    """The facts of a message; ``run`` is its last one, and ``paused`` whether its lane is."""
    error = message.error
    return {
        "state": message.state,
        "key": message.key,
        "wait": message.accepted_at if message.state is MessageState.QUEUED else None,
        "error": error and f"{error.cause} {error.message}",
        "cause": error and error.cause,
        "runner": run.runner if run else message.runner,
        "provider": tuple(attempt.provider for attempt in message.attempts),
        "paused": int(paused),
        "changed": message.ended_at or message.started_at or message.accepted_at,
        "actor": message.actor,
        "text": (message.text, message.request),
        "source": HERE,
    }


def message_of(world: World, lane: LaneRow) -> MessageRow | None:
    number = lane.head_id if lane.run is None else lane.run.message_id
    return None if number is None else world.message(number)


@given(TYPED)
@example("")
@example("*[!m]*")
def test_a_filter_of_lanes_means_the_same_in_memory_and_in_sql(house: World, typed: str) -> None:
    chosen = understood(typed, house, Subject.LANE)
    if chosen is None:
        return
    lanes = house.store.read(reads.lanes(LaneFilter()))
    fitting = [x.key for x in lanes if filters.fits(of_lane(x, message_of(house, x), chosen.at), chosen)]
    assert house.keys(chosen) == fitting
    assert house.store.read(reads.lanes_total(chosen)) == len(fitting)
    some = chosen.only(fitting[1:3])
    assert house.keys(some) == fitting[1:3]


@given(TYPED)
def test_a_filter_of_messages_means_the_same_in_memory_and_in_sql(house: World, typed: str) -> None:
    chosen = understood(typed, house, Subject.MESSAGE)
    if chosen is None:
        return

    def facts(message: MessageRow) -> filters.Facts:
        run = None if message.run_id is None else house.store.read(reads.run(message.run_id))
        pause = house.lane(message.key).pause
        paused = pause is not None and (pause.until is None or pause.until > chosen.at)
        return of_message(message, run, paused=paused)

    every = [house.message(row[0]) for row in house.table("messages")]
    fitting = [message.id for message in every if filters.fits(facts(message), chosen)]
    assert house.store.read(reads.message_ids(chosen)) == fitting


@given(TYPED)
def test_a_filter_of_events_means_the_same_in_memory_and_in_sql(house: World, typed: str) -> None:
    chosen = understood(typed, house, Subject.EVENT)
    if chosen is None:
        return
    found = house.store.read(reads.events(chosen=chosen))
    assert found == [event for event in house.events() if filters.fits(filters.of_event(Event.of(event)), chosen)]


def test_the_houses_lanes_differ_in_what_filters_ask(house: World) -> None:
    """The tests above are not blind: each of these chooses some lanes and not all."""
    whole = len(house.keys())
    fields = [
        "agent:*",
        "state:errored",
        "paused:yes",
        "text:refund",
        "actor:alice",
        "runner:chat",
        "queue:>1",
        "provider:codex",
    ]
    ages = ["held:>1m", "wait:<70s", "silent:>1m", "beat:>30s", "since:90s"]
    for typed in (*fields, *ages, "owner:17", "error:É", "cause:tool_*"):
        assert 0 < len(house.keys(filters.chosen(typed, house.time().wall))) < whole, typed


GLOBS = st.text("ab]^-![*?z.c_\\", max_size=7) | st.text("ab]^-!z.c_\\", max_size=6).map("[{}]".format)


@given(GLOBS, st.text("ab]^-![*z._`\\\n", max_size=3))
@example("[!m]*", "n")
@example("[^m]*", "^")
@example("[![m]*", "[")
@example("[b-a!]", "z")  # fnmatch drops the empty range, and then reads the rest as a negation
def test_a_glob_means_the_same_to_python_and_to_sqlite(house: World, glob: str, text: str) -> None:
    query = Query("SELECT :text GLOB :glob", {"text": text, "glob": as_sqlite(glob)}, lambda rows: bool(rows[0][0]))
    assert house.store.read(query) == (as_pattern(glob).fullmatch(text) is not None)


@given(GLOBS, st.text("ab]^-![*z._`\\\n", max_size=3))
def test_a_glob_that_was_stored_means_what_it_meant(glob: str, text: str) -> None:
    again = as_pattern(from_sqlite(as_sqlite(glob)))
    assert (again.fullmatch(text) is None) == (as_pattern(glob).fullmatch(text) is None)


def test_a_filter_of_one_thing_chooses_no_other() -> None:
    lanes, messages = (filters.chosen("state:running", 1, of) for of in (Subject.LANE, Subject.MESSAGE))
    for ask in (lambda: reads.lanes(messages), lambda: reads.message_ids(lanes), lambda: reads.events(chosen=lanes)):
        with pytest.raises(ValueError, match="chooses no"):
            ask()


def test_a_filter_by_ages_or_pauses_names_its_moment() -> None:
    for typed in ("held:>1m", "paused:no"):
        with pytest.raises(ValueError, match="needs the time"):
            reads.lanes(filters.chosen(typed, 0))
