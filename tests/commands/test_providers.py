"""``lanes providers``: what it shows of them, and the end of a cooldown."""

from lanes_storage import doors
from lanes_storage.clock import system_clock
from lanes_storage.records import ProviderCounts
from tests.commands.conftest import Call
from tests.kit.cooling import cool
from tests.kit.stage import MINUTE, Stage


def test_it_shows_who_cools_and_what_came_of_the_last_hour(stage: Stage, lanes: Call) -> None:
    now = system_clock()
    counts = ProviderCounts(2, 3_000, {"reset": 1, "quota": 2})
    stage.store.write(lambda tx: doors.count(tx, "codex", counts, now))
    stage.store.write(lambda tx: cool(tx, "codex", "quota", 10 * MINUTE, now))
    stage.store.write(lambda tx: doors.try_last(tx, "backup", now.wall + MINUTE, "it was slow"))
    said = lanes("providers").out
    assert "cooling for" in said
    assert "tried last for" in said
    assert "2 quota, 1 reset" in said
    assert "\ncooling: it refused requests, and is not asked until that time\ntried last: it failed;" in said
    assert "well:" not in said
    assert "codex: quota: it refuses" in said
    backup, codex = lanes("providers", "--json").json
    assert (backup["name"], backup["health"], backup["failures"]) == ("backup", "tried_last", {})
    assert (codex["health"], codex["answers"], codex["latency_s"], codex["max_in_flight"]) == ("cooling", 2, 1.5, 0)
    assert codex["failures"] == {"reset": 1, "quota": 2}


def test_F213_a_reset_ends_the_cooldown_and_says_what_waited(stage: Stage, lanes: Call) -> None:
    now = system_clock()
    stage.store.write(lambda tx: cool(tx, "codex", "quota", 10 * MINUTE, now))
    assert lanes("providers", "reset", "codex").out == "provider codex is asked again\n"
    assert lanes("providers", "reset", "codex").out == "provider codex was already well\n"
    assert lanes("providers", "--json").json[0]["health"] == "well"
    assert lanes("providers", "reset", "codex", "--json").json["done"] is False


def test_a_provider_that_nobody_knows(stage: Stage, lanes: Call) -> None:
    refused = lanes("providers", "reset", "codec")
    assert (refused.code, refused.err) == (3, "lanes: no provider 'codec': `lanes providers` shows them\n")
    assert lanes("providers", "rest", "codex").code == 2
    assert lanes("providers", "reset").code == 2


def test_nothing_is_known(stage: Stage, lanes: Call) -> None:
    called = lanes("providers")
    assert (called.code, called.out) == (0, "")
    assert "no provider is configured" in called.err
