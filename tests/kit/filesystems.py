"""File systems that can really be full, or fail."""

import contextlib
import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.processes import eventually

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


class FailingDisk:
    """A folder on a disk that can fail."""

    def __init__(self, folder: Path, image: Path, device: str) -> None:
        self.folder = folder
        self._image, self._device = image, device

    def fail(self, path: Path, behind: int) -> None:
        """Let the reads of a file that was written at once fail behind so many bytes."""
        with path.open("rb") as file:
            os.fsync(file)
            block = int.from_bytes(fcntl.ioctl(file, _FIBMAP, bytes(4)), sys.byteorder)
            os.truncate(self._image, block * os.fstat(file.fileno()).st_blksize + behind)
            subprocess.run(("losetup", "--set-capacity", self._device), check=True)

            def is_forgotten() -> bool:
                """Whether the memory has nothing of that part any more."""
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                offsets = range(behind, os.fstat(file.fileno()).st_size, _PAGE)
                return not any(_is_readable(file.fileno(), offset) for offset in offsets)

            eventually(is_forgotten, "the reads to fail")


_FIBMAP = 1
_PAGE = 4096


def _is_readable(descriptor: int, offset: int) -> bool:
    try:
        return bool(os.pread(descriptor, 1, offset))
    except OSError:
        return False


@contextlib.contextmanager
def failing_disk(folder: Path) -> Iterator[FailingDisk]:
    """Mount one there. The test is skipped where that is not permitted."""
    folder.mkdir()
    image = folder.with_suffix(".img")
    with image.open("wb") as file:
        file.truncate(32 * MEGABYTE)
    if os.geteuid() != 0 or not _run("mkfs.ext4", "-q", "-b", "4096", "-O", "^has_journal", str(image)):
        pytest.skip("no disk that fails can be made here")
    made = subprocess.run(("losetup", "--find", "--show", str(image)), check=False, capture_output=True, text=True)
    if not (device := made.stdout.strip()):
        pytest.skip("no disk that fails can be made here")
    try:
        assert _run("mount", device, str(folder))
        yield FailingDisk(folder, image, device)
    finally:
        _run("umount", str(folder))
        _run("losetup", "--detach", device)


def _run(*command: str) -> bool:
    try:
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    except OSError:
        return False
