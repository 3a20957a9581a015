"""A small file system that can really be full."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

MEGABYTE = 1 << 20


class SmallDisk:
    """A folder on a file system by itself."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self) -> None:
        """Leave no room: every write fails."""
        with contextlib.suppress(OSError), self._filler.open("ab", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    def free(self) -> None:
        """Give the room back."""
        self._filler.unlink()


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int, inodes: int = 0) -> Iterator[SmallDisk | None]:
    """Mount one there, for so many files, its folder included (0: any number). None: that is not permitted
    here (only root may, and not in every container)."""
    folder.mkdir()
    options = f"size={megabytes * MEGABYTE},mode=700,nr_inodes={inodes}"
    mounted = os.geteuid() == 0 and _run("mount", "-t", "tmpfs", "-o", options, "lanes-test", str(folder))
    try:
        yield SmallDisk(folder) if mounted else None
    finally:
        if mounted:
            _run("umount", "--lazy", str(folder))


@contextlib.contextmanager
def needed_disk(folder: Path, megabytes: int, inodes: int = 0) -> Iterator[SmallDisk]:
    """The same for a test that proves nothing without one: there it is skipped."""
    with small_disk(folder, megabytes, inodes) as disk:
        if disk is None:
            pytest.skip("no file system may be mounted here")
        yield disk


def _run(*command: str) -> bool:
    try:
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    except OSError:
        return False
