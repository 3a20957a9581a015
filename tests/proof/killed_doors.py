"""Kills a process at each statement of a door that writes, and prints what the file has then.

    python -m tests.proof.killed_doors FOLDER

For each scenario one line of JSON: how often it was killed before the commit, in how many of these cases the file was
not as before, or the door did not do its work when it was called again; and what was wrong with a file at all.
"""

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lanes.testing import MINUTE, Hands, KillPoint, broken
from lanes_storage import doors, open_store
from lanes_storage.doors.claims import Exhausted
from lanes_storage.interface import Store, Transaction
from lanes_storage.law import PASSING, Cause, Mode, RunnerKind, SourceState, WatchedState
from lanes_storage.records import (
    OUTLINE,
    Admission,
    BudgetTerms,
    NewMessage,
    NewQuestion,
    RetryTerms,
    RunFailure,
    RunResult,
    RunUsage,
    SeenIncident,
    Sighting,
    Spent,
    Ticket,
)
from tests.kit.databases import lay
from tests.kit.world import TERMS, Rows, World

QUESTION = NewQuestion("1.1", "Which branch?", 10 * MINUTE)
BUDGET = BudgetTerms("all", MINUTE * 60, 5, 1_000, None)
OVER = Exhausted(BUDGET, Spent(5, 10, 0, MINUTE))
ASIDE = RetryTerms(3, MINUTE, frozenset(PASSING), 60 * MINUTE, hold=False)
HELD = SeenIncident("ops", "held", "a", {"run_id": "1"})
#: Every scenario has one run, the first of its database.
RUN = Ticket(1, 1)

Act = Callable[[World], Any]


def step(run: Callable[[Transaction, Any], Any]) -> Act:
    """One transaction, at the time of the world."""
    return lambda world: world.step(lambda tx: run(tx, world.time()))


def started(world: World) -> None:
    world.send("a", "first", sender="alice")
    assert world.claim("a").ticket == RUN


def asked(world: World) -> None:
    started(world)
    ask(world)


def answered(world: World) -> None:
    asked(world)
    answer(world)


def talked(world: World) -> None:
    started(world)
    world.complete(RUN, "reply")


def seen(world: World) -> None:
    see(world)


def claimed(world: World) -> None:
    see(world)
    claim(world)


def told(world: World) -> None:
    claimed(world)
    sent(world)
    world.time.move(MINUTE)


def watched(world: World) -> None:
    watch(world)
    keep(world)


def requested(world: World) -> None:
    watched(world)
    ask_to_free(world)


def steered(world: World) -> None:
    started(world)
    world.store.write(doors.accept(NewMessage("a", "quickly", actor="bob"), Admission(mode=Mode.STEER), world.time()))


ask = step(lambda tx, now: doors.ask(tx, RUN, QUESTION, now, by="run"))
see = step(lambda tx, now: doors.see_incidents(tx, [HELD], ["ops"], now, calm_ms=30_000))
over = step(lambda tx, now: doors.see_incidents(tx, [], ["ops"], now, calm_ms=30_000))
claim = step(lambda tx, now: doors.claim_incident(tx, 1, 1, now.wall + MINUTE, now))
sent = step(lambda tx, now: doors.incident_sent(tx, 1, 1, now))
watch = step(lambda tx, now: doors.watch(tx, "one", "openclaw", "ws://x", 1, now, is_gone=lambda *_: True))
keep = step(
    lambda tx, now: doors.keep_sightings(
        tx, "one", 1, [Sighting("k", WatchedState.RUNNING, ("r1",))], now, from_files=False, whole=True
    )
)
ask_to_free = step(
    lambda tx, now: doors.ask_to_free(tx, "one", "k", None, now, reset=False, actor="alice", reason=None)
)


def answer(world: World) -> None:
    world.send("a", "main", sender="alice")


def spent_claim(tx: Transaction, now: Any) -> None:
    """As the dispatcher claims: the run counts in the budgets of its lane in the same transaction."""
    (head,) = doors.candidates(tx, 1, now)
    doors.spend(tx, head.lane_id, [BUDGET], now, runs=1)
    doors.claim(head, 1, "chat", RunnerKind.PROVIDER, TERMS, now)(tx)


def beside(tx: Transaction, now: Any) -> None:
    new = NewMessage("s", request=json.dumps({OUTLINE: {"digest": "d"}}), actor="t", source="bot", once=True)
    doors.enter_beside(tx, new, Admission(20, concurrency=3), now)


REPLY = RunResult("reply", messages='[{"role": "assistant", "content": "reply"}]', tokens=7, usage=RunUsage(3, 4, 5))

#: What is there before, and the door.
SCENARIOS: dict[str, tuple[Callable[[World], Any], Act]] = {
    "the end of a run and its turn": (started, lambda world: world.complete(RUN, REPLY)),
    "a failure and its turn": (started, lambda world: world.fail(RUN)),
    "a text that ends while it waits": (
        lambda world: world.send("a", "waits"),
        lambda world: world.postpone(world.head("a"), 20 * MINUTE),
    ),
    "a new conversation": (talked, step(lambda tx, now: doors.new_conversation(tx, "a", now, actor="alice"))),
    "an import": (
        talked,
        step(
            lambda tx, now: doors.new_conversation(
                tx, "a", now, actor="alice", turns=[doors.ImportedTurn("q", "a"), doors.ImportedTurn("r", None)]
            )
        ),
    ),
    "a question": (started, ask),
    "an answer": (asked, answer),
    "the answer is taken": (answered, step(lambda tx, now: doors.take_answer(tx, RUN, "1.1", now, by="run"))),
    "a question is closed": (
        asked,
        step(lambda tx, now: doors.close_question(tx, RUN, "1.1", now, by="run", reason="expired")),
    ),
    "a run with an answer that it did not take is reclaimed": (answered, lambda world: world.reclaim(RUN)),
    "a steer is taken": (steered, step(lambda tx, now: doors.take_steer(tx, RUN, now, by="run"))),
    "an incident": (lambda world: None, see),
    "an incident is claimed": (seen, claim),
    "an incident was told": (claimed, sent),
    "an incident was not told": (claimed, step(lambda tx, now: doors.incident_not_sent(tx, 1, 1, now.wall + 1))),
    "an incident ends": (told, over),
    "a claim within a budget": (lambda world: world.send("a"), step(spent_claim)),
    "what a run used": (started, step(lambda tx, now: doors.spend(tx, 1, [BUDGET], now, tokens=7))),
    "a lane over its budget": (
        lambda world: world.send("a"),
        step(lambda tx, now: doors.refuse_over(tx, doors.candidates(tx, 1, now)[0], OVER, now)),
    ),
    "a request on a child lane": (step(beside), step(beside)),
    "what a watcher sees": (watch, keep),
    "the state of a source": (watch, step(lambda tx, now: doors.note_source(tx, "one", 1, SourceState.HUNG, now))),
    "a request to free": (watched, ask_to_free),
    "a request to free is taken": (requested, step(lambda tx, now: doors.take_freeings(tx, "one", 1, now))),
    "a request to free has ended": (requested, step(lambda tx, now: doors.end_freeing(tx, 1, "released", [], now))),
    "a retry that lets others pass": (
        started,
        lambda world: world.fail(RUN, RunFailure(Cause.PROVIDER_FAILED, "no"), ASIDE),
    ),
}


def rows(path: Path, time: Hands, *acts: Act) -> list[Rows]:
    """The rows of a file, and those after each door that is called then; raises where an invariant is broken."""
    store = open_store(str(path), synchronous="normal")
    try:
        found = [sound(store)]
        for act in acts:
            act(of(store, time))
            found.append(sound(store))
        return found
    finally:
        store.close()


def sound(store: Store) -> Rows:
    """The rows of a store in which every invariant holds."""
    assert broken(store) == [], broken(store)
    return World.of(store).rows()


def of(store: Store, time: Hands) -> World:
    world = World.of(store)
    world.time, world.me = time, 1
    return world


def killed(path: Path, time: Hands, act: Act, point: KillPoint) -> bool:
    """Call the door in another process that kills itself there; False: it came to its end."""
    pid = os.fork()
    if pid == 0:
        store = open_store(str(path), synchronous="normal")
        point.arm()
        act(of(store, time))
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code in (0, -signal.SIGKILL), f"{point}: {code}"
    return code != 0


def trial(folder: Path, prepare: Callable[[World], Any], act: Act) -> dict[str, Any]:
    """Kill the door at each statement, and after its commit."""
    base, work, time = folder / "base.db", folder / "work.db", Hands()
    lay(base)
    store = open_store(str(base), synchronous="normal")
    prepare(World(store, time))
    before = World.of(store).rows()
    store.close()

    def fresh() -> Path:
        for old in folder.glob("work.db*"):
            old.unlink()
        shutil.copy(base, work)
        return work

    done = rows(fresh(), time, act)[-1]
    found: dict[str, Any] = {"kills": 0, "halves": 0, "lost": 0, "changes": done != before}
    points = [f"mid:1.{number}" for number in range(1, 100)]
    for words in points:
        if not killed(fresh(), time, act, KillPoint.parse(words)):
            break
        found["kills"] += 1
        left, again = rows(work, time, act)
        found["halves"] += left != before
        found["lost"] += again != done
    assert killed(fresh(), time, act, KillPoint.parse("before:1"))
    found["halves"] += rows(work, time) != [before]
    assert killed(fresh(), time, act, KillPoint.parse("after:1"))
    found["halves"] += rows(work, time) != [done]
    return found


def main(folder: Path) -> None:
    """Try every scenario."""
    for name, (prepare, act) in SCENARIOS.items():
        place = folder / name.replace(" ", "-")
        place.mkdir()
        sys.stdout.write(json.dumps({"scenario": name} | trial(place, prepare, act)) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
