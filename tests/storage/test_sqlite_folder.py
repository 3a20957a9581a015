"""What has the names of a database, seen by one look at their folder as long as nothing changes in it."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from lanes_storage.sqlite.file import paths
from lanes_storage.sqlite.file.paths import Names

HOUR_NS = 3_600_000_000_000


def long_after() -> int:
    """The time at which every folder here has rested."""
    return time.time_ns() + HOUR_NS


@pytest.fixture
def file(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    file = folder / "lanes.db"
    file.touch()
    (folder / "lanes.db-wal").touch()
    return file


@pytest.fixture
def stats(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that were looked at."""
    looked: list[str] = []

    def stat(path: str) -> os.stat_result:
        looked.append(path)
        return os.stat(path)  # noqa: PTH116

    monkeypatch.setattr(paths, "os", SimpleNamespace(stat=stat))
    return looked


def of(file: Path, wall_ns: Callable[[], int]) -> Names:
    return Names(file, file.with_name("lanes.db-wal"), wall_ns=wall_ns)


def tick(folder: Path) -> None:
    """Wait until what is changed now has later times than what was changed in the folder before."""
    probe = folder.parent / "probe"
    before = folder.stat().st_ctime_ns
    while True:
        probe.touch()
        if probe.stat().st_ctime_ns > before:
            return


def deleted(file: Path) -> None:
    file.unlink()


def moved(file: Path) -> None:
    file.rename(file.with_name("elsewhere"))


def replaced(file: Path) -> None:
    other = file.parent.parent / "other"
    other.touch()
    other.replace(file)


def linked(file: Path) -> None:
    other = file.parent.parent / "other"
    file.rename(other)
    other.with_name("another").touch()
    file.symlink_to(other.with_name("another"))


def moved_with_its_folder(file: Path) -> None:
    file.parent.rename(file.parent.with_name("elsewhere"))


def replaced_with_its_folder(file: Path) -> None:
    moved_with_its_folder(file)
    file.parent.mkdir()
    file.touch()


def test_a_folder_in_which_nothing_changes_is_looked_at_alone(file: Path, stats: list[str]) -> None:
    kept = of(file, long_after)
    found = kept.look()
    stats.clear()
    for _ in range(3):
        assert kept.look() == found
    assert stats == 3 * [str(file.parent)]


@pytest.mark.parametrize("harm", [deleted, moved, replaced, linked, moved_with_its_folder, replaced_with_its_folder])
@pytest.mark.parametrize("wall_ns", [long_after, time.time_ns], ids=["rested", "new"])
def test_F78_whatever_becomes_of_a_name_is_seen(
    file: Path, wall_ns: Callable[[], int], harm: Callable[[Path], None]
) -> None:
    tick(file.parent)
    kept = of(file, wall_ns)
    found = kept.look()
    assert kept.look() == found
    harm(file)
    assert kept.look() != found


def test_F78_two_changes_in_one_tick_of_the_clock_are_seen(file: Path) -> None:
    kept = of(file, time.time_ns)
    for _ in range(200):
        found = kept.look()
        replaced(file)
        assert kept.look() != found


def test_F79_what_comes_back_is_seen(file: Path) -> None:
    kept = of(file, long_after)
    found = kept.look()
    tick(file.parent)
    moved(file)
    assert kept.look() != found
    tick(file.parent)
    file.with_name("elsewhere").rename(file)
    assert kept.look() == found


def test_F78_a_name_behind_a_link_is_always_looked_at_itself(file: Path, stats: list[str]) -> None:
    link = file.parent.parent / "link"
    link.symlink_to(file.parent)
    kept = of(link / "lanes.db", long_after)
    kept.look()
    stats.clear()
    kept.look()
    assert stats == [f"{link}/lanes.db", f"{link}/lanes.db-wal"]


def test_F78_the_names_themselves_are_looked_at_now_and_then(file: Path, stats: list[str]) -> None:
    """Another file may come over a name without a change of the folder: by a mount."""
    wall = long_after()
    kept = of(file, lambda: wall)
    kept.look()
    stats.clear()
    wall += paths.LOOK_ANYWAY_NS - 1
    kept.look()
    assert len(stats) == 1
    wall += 1
    kept.look()
    assert len(stats) == 4
    wall -= HOUR_NS // 2  # a clock that was set back
    kept.look()
    assert len(stats) == 7
