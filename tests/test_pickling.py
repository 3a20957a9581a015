"""What lanes raises and shows is the same in another process: in a pool of processes, a task queue, a cache."""

import copy
import multiprocessing
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any, NoReturn

import pytest

from lanes import Failure
from lanes.base import errors
from lanes.config import Config, from_data
from lanes_storage import errors as storage_errors
from lanes_storage.errors import PortableError
from lanes_storage.law import Cause, Word

MADE = [
    errors.LanesError("a sentence"),
    errors.Unfit("a sentence", "model"),
    errors.InvalidKey("empty"),
    errors.Ambiguous("k", ["here", "there"]),
    errors.Refused("k", "a sentence"),
    errors.QueueFull("k", 20),
    errors.LaneBusy("k", rejects=True),
    errors.WaitCycle(["a", "b", "a"]),
    errors.Draining("k"),
    errors.IdempotencyConflict("k", "update-7"),
    errors.NotFound("lane", "k"),
    errors.NotPermitted("a sentence"),
    errors.TooMuch("a sentence"),
    errors.HoldEnded("k", Cause.read("tool_missing"), "a sentence"),
    errors.NotAllowed("a sentence"),
    errors.Changed("k", 7),
    errors.ConfigError("a sentence"),
    errors.Unreadable("a sentence"),
    errors.RunError("tool_missing", "git is not there"),
    errors.RunFailed("tool_missing", "git is not there"),
    errors.NoAnswer("nobody answered"),
    errors.RunParked(30, "later", providers=["main"]),
    storage_errors.StorageError("lanes.db", "a detail"),
    storage_errors.DatabaseMissing("lanes.db"),
    storage_errors.DatabaseDeleted("lanes.db", [7]),
    storage_errors.DatabaseTooNew("lanes.db", 4, 3),
    storage_errors.DatabaseTooOld("lanes.db", 1, 3),
    storage_errors.DatabaseUnreleased("lanes.db", 2, 3),
    storage_errors.DatabaseInUse("lanes.db", "process 7"),
    storage_errors.DatabaseDamaged("lanes.db", "a detail"),
    storage_errors.DatabaseForeign("lanes.db", "a detail"),
    storage_errors.DatabaseLocked("lanes.db"),
    storage_errors.DatabaseFull("lanes.db"),
    storage_errors.DatabaseReadOnly("lanes.db"),
    storage_errors.DatabaseReplaced("lanes.db", "a detail"),
    storage_errors.DatabaseAliased("lanes.db", "a detail"),
    storage_errors.DatabaseUnavailable("lanes.db", "a detail"),
    storage_errors.ForkedStore("lanes.db", 7),
    storage_errors.ForkedInUse("lanes.db", 7),
    storage_errors.StoreClosed("lanes.db"),
    storage_errors.NotStorable("a sentence"),
]


class ToolMissing(errors.RunFailed):
    """As a runner may define it, with additional arguments."""

    def __init__(self, tool: str, *, version: int) -> None:
        self.tool, self.version = tool, version
        super().__init__("tool_missing", f"{tool} {version} is not there")


@pytest.mark.parametrize("way", [lambda it: pickle.loads(pickle.dumps(it)), copy.copy, copy.deepcopy])
def test_F571_an_error_is_the_same_in_another_process(way: Callable[[Exception], Exception]) -> None:
    for error in (*MADE, ToolMissing("git", version=2)):
        there = way(error)
        assert type(there) is type(error)
        assert (str(there), vars(there)) == (str(error), vars(error))


def test_each_error_is_among_them() -> None:
    def below(kind: type[Exception]) -> Iterator[type[Exception]]:
        yield kind
        for inner in kind.__subclasses__():
            yield from below(inner)

    ours = {kind for kind in below(PortableError) if kind.__module__ in {errors.__name__, storage_errors.__name__}}
    assert ours - {PortableError} <= {type(error) for error in MADE}


@pytest.mark.parametrize("kind", Word.__subclasses__())
def test_F571_a_word_that_lanes_does_not_know_is_the_same_in_another_process(kind: type[Word]) -> None:
    for word in (kind.read("tool_missing"), *kind):
        there = pickle.loads(pickle.dumps(word))
        assert (type(there), there, there.value) == (kind, word, word.value)
        assert there is word or word not in list(kind)


@pytest.mark.parametrize("way", [lambda it: pickle.loads(pickle.dumps(it)), copy.copy, copy.deepcopy])
def test_F695_a_configuration_that_was_used_is_the_same_in_another_process(way: Callable[[Config], Config]) -> None:
    config = from_data({"policy": [{"match": "a*", "cap": 1}]}, env={})
    assert (config.policy("ab").cap, config.policy("b").cap) == (1, 20)
    there = way(config)
    assert [there.policy(key) for key in ("ab", "b")] == [config.policy(key) for key in ("ab", "b")]
    assert there.fingerprint == config.fingerprint


def _fails(_: object) -> NoReturn:
    raise errors.RunFailed("tool_missing", "git is not there")


def _given_back(it: Any) -> Any:
    return it


def test_F571_a_run_that_fails_in_a_pool_of_processes_costs_the_pool_nothing() -> None:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        for _ in range(2):
            with pytest.raises(errors.RunFailed) as raised:
                pool.submit(_fails, None).result(timeout=60)
            assert (raised.value.failure.cause, raised.value.failure.message) == ("tool_missing", "git is not there")
        failure = Failure(Cause.read("tool_missing"), "git is not there", ())
        assert pool.submit(_given_back, failure).result(timeout=60) == failure
