"""What has a name now."""

import os
import time
from collections.abc import Callable
from pathlib import Path

#: Device and inode; None: there is no such file.
Seen = tuple[int, int] | None

#: The times of a folder go on in steps: a few milliseconds, or two seconds. Within one, two changes look like one.
SETTLED_NS = 3_000_000_000
#: So long a look at the folder is enough: another file may come over a name by a mount, and not every system has times.
LOOK_ANYWAY_NS = 1_000_000_000


def seen(path: str) -> Seen:
    """What has that name now. Raises OSError where that cannot be told."""
    try:
        found = os.stat(path)  # noqa: PTH116 - in each transaction
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino


class Names:
    """Names in one folder, and what has them: as long as nothing in that changes, one look at it is enough.

    Whoever gives a name in a folder, or takes one away, changes its times. From any thread.
    """

    def __init__(self, *names: Path, wall_ns: Callable[[], int] = time.time_ns) -> None:
        """Where a link stands in one of the ways there, each name is looked at by itself."""
        self._names = tuple(map(str, names))
        folders = {name.parent for name in names}
        one = len(folders) == 1 and all(name == name.resolve() for name in names)
        self._folder = str(folders.pop()) if one else None
        self._wall_ns = wall_ns
        self._last: tuple[tuple[int, ...] | None, int, tuple[Seen, ...]] = (None, 0, ())  # of the folder, when, found

    def look(self) -> tuple[Seen, ...]:
        """What has each of the names now. Raises OSError where that cannot be told."""
        now = self._wall_ns()
        folder = None if self._folder is None else _rests(self._folder, now)
        before, at, found = self._last
        if folder is None or folder != before or not 0 <= now - at < LOOK_ANYWAY_NS:
            found = tuple(map(seen, self._names))
            self._last = folder, now, found
        return found


def _rests(folder: str, now: int) -> tuple[int, ...] | None:
    """What tells that nothing in a folder has changed; None: it says nothing yet, or is gone."""
    try:
        found = os.stat(folder)  # noqa: PTH116
    except OSError:
        return None
    changed = max(found.st_mtime_ns, found.st_ctime_ns)
    return (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns) if now - changed > SETTLED_NS else None
