"""Which runs are silent: against the limit that acts first, in the order in which they come to it."""

from lanes import filters
from lanes.testing import HOUR, MINUTE, SECOND
from lanes.text import ages
from lanes_storage import doors, reads
from lanes_storage.records import AttemptPhase, Beat, LaneFilter, LaneOrder, LaneSort, SilentRun, Ticket, Waiter
from tests.kit.world import PROCESS, TERMS, World


def silent(world: World, limit: int = 100) -> list[SilentRun]:
    """The silent runs; of each the limit is what ``ages`` says of it."""
    now = world.time()
    found, total = world.store.read(reads.silent_runs(now, limit))
    assert total >= len(found)
    for each in found:
        run = next(run for run in world.store.read(reads.open_runs()) if run.id == each.id)
        limits = [known for known in ages.limits(run, now) if known.name != "run_timeout"]
        told = (limits[0].name, limits[0].of_ms, limits[0].of_ms - limits[0].left_ms) if limits else (None, None, None)
        assert (each.limit, each.limit_ms) == told[:2]
        assert told[2] is None or told[2] == each.silent_ms
    return found


def start(world: World, key: str, stall_timeout_ms: int | None = 120_000) -> Ticket:
    """A run under that limit."""
    return world.start(key, terms=TERMS._replace(run_timeout_ms=HOUR, stall_timeout_ms=stall_timeout_ms)).ticket


def ask(world: World, ticket: Ticket, limit_ms: int, name: str = "first_byte_timeout") -> None:
    """Let a run ask a provider from now on."""
    now = world.time()
    phase = AttemptPhase("main", name, limit_ms, 1, 2, "backup", 55 * SECOND, now.wall, now.boot, now.slept)
    beat = Beat(ticket, "model_call:started", now.boot, now.wall, progress_slept_ms=now.slept, attempt=phase)
    world.step(doors.heartbeat(world.me, [beat], now))


def test_a_run_is_silent_from_half_of_its_limit_on(world: World) -> None:
    start(world, "a")
    world.time.move(59 * SECOND)
    assert silent(world) == []
    world.time.move(SECOND)
    (one,) = silent(world)
    assert one[1:] == ("a", 60_000, 120_000, "stall_timeout", None)


def test_the_limit_of_a_provider_counts_where_it_acts_first(world: World) -> None:
    quick, slow = start(world, "quick"), start(world, "slow")
    ask(world, quick, 45 * SECOND)
    ask(world, slow, 10 * MINUTE)
    world.time.move(30 * SECOND)
    assert [each[1:] for each in silent(world)] == [("quick", 30_000, 45_000, "first_byte_timeout", "main")]
    world.time.move(60 * SECOND)
    assert [(each.key, each.limit) for each in silent(world)] == [
        ("quick", "first_byte_timeout"), ("slow", "stall_timeout")
    ]  # fmt: skip


def test_what_says_that_it_is_busy_or_waits_or_has_ended_its_work_is_not_silent(world: World) -> None:
    busy, waits, ended = (start(world, key, stall_timeout_ms=60_000) for key in ("busy", "waits", "ended"))
    now = world.time()
    beats = [
        Beat(busy, "tool", now.boot, now.wall, busy_until_boot=now.boot + 10 * MINUTE, progress_slept_ms=now.slept),
        Beat(ended, "tool", now.boot, now.wall, body_ended_at=now.wall, progress_slept_ms=now.slept),
        Beat(waits, "tool", now.boot, now.wall, progress_slept_ms=now.slept),
    ]
    world.step(doors.heartbeat(world.me, beats, now))
    other = world.send("other")
    world.step(lambda tx: doors.begin_wait(tx, Waiter(waits.run_id, PROCESS), other, world.time()))
    world.time.move(5 * MINUTE)
    assert silent(world) == []
    world.time.move(6 * MINUTE)
    assert [each.key for each in silent(world)] == ["busy"]


def test_a_run_without_a_limit_is_silent_after_a_minute(world: World) -> None:
    start(world, "endless", stall_timeout_ms=None)
    world.time.move(59 * SECOND)
    assert silent(world) == []
    world.time.move(SECOND)
    assert [each[1:] for each in silent(world)] == [("endless", 60_000, None, None, None)]


def test_sleep_of_the_machine_is_no_silence(world: World) -> None:
    run = start(world, "a")
    ask(world, run, 45 * SECOND)
    world.time.sleep(10 * MINUTE)
    assert silent(world) == []
    world.time.move(23 * SECOND)
    assert [each.silent_ms for each in silent(world)] == [23 * SECOND]


def test_the_silent_stand_first_the_nearest_to_its_limit_at_the_top_then_all_by_attention(world: World) -> None:
    for number in range(3):
        start(world, f"hung:{number}", stall_timeout_ms=120_000 - 10_000 * number)
    world.time.move(70 * SECOND)
    for number in range(4):
        start(world, f"streams:{number}")
        world.send(f"streams:{number}")
    world.complete(start(world, "idle"))
    found = silent(world)
    assert [run.key for run in found] == ["hung:2", "hung:1", "hung:0"]
    assert len(silent(world, 1)) == 1
    order = LaneOrder(LaneSort.SILENT, silent=tuple(run.id for run in found))
    keys = world.keys(order=order)
    assert keys == ["hung:2", "hung:1", "hung:0", *(f"streams:{n}" for n in range(4)), "idle"]
    assert world.keys(order=order, limit=2, offset=2) == keys[2:4]
    places = [world.store.read(reads.lane_place(LaneFilter(), key, order=order)) for key in keys]
    assert places == list(range(len(keys)))
    assert world.keys(order=order._replace(reverse=True)) == keys[::-1]


def test_lanes_are_folded_by_the_first_parts_of_their_keys_the_worst_group_first(world: World) -> None:
    for key in ("agent:a:slack:1", "agent:a:slack:2", "agent:b:web:1", "agent:b:web:2", "agent:b:web:3", "agent", "x:"):
        world.complete(start(world, key))
    world.fail(start(world, "agent:a:web:9"))
    hung = start(world, "agent:c:web:1")
    world.send("agent:c:web:1")

    def groups(parts: int, typed: str = "") -> list[tuple[object, ...]]:
        chosen = filters.chosen(typed, world.time().wall)
        return [tuple(row) for row in world.store.read(reads.lane_groups(chosen, parts, {hung.run_id: 90_000}, 100))]

    assert groups(1) == [
        ("agent", 7, 1, 1, 0, 1, 1, 90_000, False),
        ("agent", 1, 0, 0, 0, 0, 0, None, True),
        ("x", 1, 0, 0, 0, 0, 0, None, False),
    ]
    assert groups(2)[:3] == [
        ("agent:c", 1, 1, 0, 0, 1, 1, 90_000, False),
        ("agent:a", 3, 0, 1, 0, 0, 0, None, False),
        ("agent:b", 3, 0, 0, 0, 0, 0, None, False),
    ]
    assert [row[0] for row in groups(3, "web")] == ["agent:c:web", "agent:a:web", "agent:b:web"]
    assert all(row[8] for row in groups(8))
    assert sum(int(str(row[1])) for row in groups(4)) == 9
