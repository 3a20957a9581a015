"""Waking up when another process commits: told by the system, with a poll as the net, and nothing left open."""

import contextlib
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from lanes.base.procedure import run
from lanes.context import Context
from lanes.engine.background.inotify import LOOKS_S, NET_S, POLL_S, REST_S, InotifyPause, pause_on
from lanes.engine.background.loop import LoopPause
from lanes.testing import Hands
from lanes.verbs import control
from lanes_storage import open_store
from lanes_storage.law import LaneState
from tests.kit.gateways import Gates, gateway_on
from tests.kit.until import until

#: Far more than any sleep that is ended needs: only one that is not ended takes so long.
FAR_S = 30.0
KEY = "agent:main:telegram:42"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "lanes.db-wal"
    path.write_bytes(b"")
    return path


@pytest.fixture
def nap(file: Path) -> Iterator[InotifyPause]:
    made = InotifyPause(file, always)
    yield made
    made.close()


def always() -> bool:
    """There is something new."""
    return True


def ended_early(nap: InotifyPause) -> bool:
    began = time.monotonic()
    nap.sleep(FAR_S)
    return time.monotonic() - began < FAR_S


def write_elsewhere(path: Path) -> None:
    subprocess.run([sys.executable, "-c", f"open({str(path)!r}, 'ab').write(b'x')"], check=True)


def test_a_write_by_another_process_ends_the_sleep(nap: InotifyPause, file: Path) -> None:
    nap.sleep(0.0)  # from here on it watches
    write_elsewhere(file)
    assert ended_early(nap)


def test_a_write_while_it_sleeps_ends_the_sleep(nap: InotifyPause, file: Path) -> None:
    nap.sleep(0.0)
    writer = threading.Thread(target=write_elsewhere, args=(file,))
    writer.start()
    assert ended_early(nap)
    writer.join()


class Seen:
    """What can be seen of the commits: whether there is anything new, look by look, and nothing after the last."""

    def __init__(self, *new: bool) -> None:
        self._new = iter(new)
        self.looks = 0

    def __call__(self) -> bool:
        self.looks += 1
        return next(self._new, False)


@pytest.mark.parametrize("before", [0, 1, len(LOOKS_S)])
def test_a_word_comes_a_moment_before_the_commit_is_seen(file: Path, before: int) -> None:
    seen = Seen(*[False] * before, True)
    with contextlib.closing(InotifyPause(file, seen)) as nap:
        nap.sleep(0.0)
        write_elsewhere(file)
        assert ended_early(nap)
    assert seen.looks == before + 1


def test_what_is_seen_first_may_be_another_commit_than_the_one_that_was_announced(file: Path) -> None:
    seen = Seen(True, False, False, True)
    with contextlib.closing(InotifyPause(file, seen)) as nap:
        nap.sleep(0.0)
        write_elsewhere(file)
        assert ended_early(nap)
        assert ended_early(nap)
    assert seen.looks == 4


def test_what_was_announced_and_never_comes_is_left_to_the_net(file: Path) -> None:
    seen = Seen()
    with contextlib.closing(InotifyPause(file, seen)) as nap:
        nap.sleep(0.0)
        write_elsewhere(file)
        while seen.looks < 1 + len(LOOKS_S):
            nap.sleep(0.05)
        nap.sleep(0.05)
    assert seen.looks == 1 + len(LOOKS_S)


def test_waking_ends_the_looks_too(file: Path) -> None:
    seen = Seen()
    with contextlib.closing(InotifyPause(file, seen)) as nap:
        nap.sleep(0.0)
        write_elsewhere(file)
        nap.wake()
        assert ended_early(nap)
    assert seen.looks == 1


def test_without_a_word_the_net_holds(nap: InotifyPause) -> None:
    began = time.monotonic()
    nap.sleep(0.2)
    assert time.monotonic() - began >= 0.19


def test_waking_ends_this_sleep_and_every_later_one(nap: InotifyPause) -> None:
    threading.Timer(0.05, nap.wake).start()
    assert ended_early(nap)
    assert ended_early(nap)


def test_waking_what_was_closed_is_harmless(file: Path) -> None:
    nap = InotifyPause(file, always)
    nap.close()
    nap.wake()


def test_a_file_that_takes_its_place_is_watched(nap: InotifyPause, file: Path) -> None:
    nap.sleep(0.0)
    other = file.with_suffix(".new")
    other.write_bytes(b"")
    other.replace(file)
    assert ended_early(nap)
    nap.sleep(0.0)
    write_elsewhere(file)
    assert ended_early(nap)


def test_a_file_that_is_not_there_yet_is_watched_once_it_is(tmp_path: Path) -> None:
    file = tmp_path / "later"
    nap = InotifyPause(file, always)
    nap.sleep(0.0)
    file.write_bytes(b"")
    nap.sleep(0.0)
    write_elsewhere(file)
    assert ended_early(nap)
    nap.close()


def test_a_storm_of_commits_does_not_make_a_busy_loop(nap: InotifyPause, file: Path) -> None:
    stop = threading.Event()

    def storm() -> None:
        with file.open("ab", buffering=0) as log:
            while not stop.is_set():
                log.write(b"x")

    writer = threading.Thread(target=storm)
    writer.start()
    began, sleeps = time.monotonic(), 0
    while time.monotonic() - began < 0.5:
        nap.sleep(FAR_S)
        sleeps += 1
    took = time.monotonic() - began
    stop.set()
    writer.join()
    assert 1 <= sleeps <= took / REST_S + 1


def test_where_nothing_tells_there_is_a_poll() -> None:
    nap, pause_s = pause_on(None, always)
    assert isinstance(nap, LoopPause)
    assert pause_s == POLL_S
    assert max(POLL_S, NET_S) <= 0.1


def open_files() -> Counter[str]:
    """What this process has open, and how often."""
    found: Counter[str] = Counter()
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the one that lists them is closed by now
            found[str(descriptor.readlink())] += 1
    return found


async def test_a_gateway_obeys_an_abort_of_another_process_and_leaves_nothing_open(tmp_path: Path) -> None:
    before, runner = open_files(), Gates()
    async with gateway_on(tmp_path, runner, Hands()) as site:
        message = await site.desk.send(KEY, "hello")
        await site.running(runner, KEY)
        store = open_store(str(tmp_path / "lanes.db"))
        run(store, control.abort(Context("alice"), KEY, wait=False))
        store.close()
        await until(lambda: KEY not in runner.running, "the run to be cancelled")
        assert (await site.desk.wait(message.id)).state == "aborted"
        assert (await site.desk.lane(KEY)).state is LaneState.ABORTED
    await until(lambda: not open_files() - before, "what it opened to be closed")
