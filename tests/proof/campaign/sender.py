"""A sender as a process of its own: sends one message after another, and notes each only once it was acknowledged.

    python sender.py HABIT DATABASE LOG LANES PAUSE_MS SEED

HABIT: ``steady`` keeps the database open, as an embedding program does; ``brief`` opens it for each message, as a
command does; ``client`` asks the gateways that the file ``urls`` beside the database lists. What is refused is told on
standard error. Texts hold the number of the message in its lane, which only rises, and are sent once. The inode that
the path named is in the key of the lane: what a lane was told before a restore is no part of its conversation after
it. SIGTERM ends it after the message that it is sending.
"""

import contextlib
import json
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from random import Random
from typing import Protocol
from urllib.parse import quote

from lanes.base.procedure import run
from lanes.context import Context
from lanes.verbs import sending
from lanes_storage import Store, open_store
from lanes_storage.errors import StorageError

#: How long an answer over HTTP is waited for.
PATIENCE_S = 10


class Refused(Exception):
    """Nothing was acknowledged."""


class Steady:
    """Keeps the database open, from its first message on."""

    def __init__(self, database: Path, luck: Random) -> None:
        self._database = database
        self._store: Store | None = None

    def send(self, key: str, text: str) -> int:
        self._store = self._store or opened(self._database)
        return send(self._store, key, text)

    def close(self) -> None:
        if self._store is not None:
            self._store.close()


class Brief:
    """Opens the database for each message."""

    def __init__(self, database: Path, luck: Random) -> None:
        self._database = database

    def send(self, key: str, text: str) -> int:
        with contextlib.closing(opened(self._database)) as store:
            return send(store, key, text)

    def close(self) -> None:
        """Nothing is open."""


class Client:
    """Asks a gateway, any of them."""

    def __init__(self, database: Path, luck: Random) -> None:
        self._urls = database.with_name("urls")
        self._luck = luck

    def send(self, key: str, text: str) -> int:
        urls = self._urls.read_text(encoding="ascii").split() if self._urls.exists() else []
        if not urls:
            raise Refused("no gateway")
        url = f"{self._luck.choice(urls)}/api/lanes/{quote(key, safe='')}/messages"
        body = json.dumps({"text": text}).encode()
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                return int(json.load(answer)["id"])
        except urllib.error.HTTPError as error:
            with error:
                raise Refused(str(error)) from error
        except (OSError, HTTPException, ValueError) as error:  # not there, or gone in the middle of its answer
            raise Refused(str(error)) from error

    def close(self) -> None:
        """Nothing is open."""


class Sender(Protocol):
    """Has messages accepted, in a way of its own."""

    def send(self, key: str, text: str) -> int:
        """Have one accepted; its id. Raises Refused."""
        ...

    def close(self) -> None:
        """Leave nothing open."""
        ...


HABITS: dict[str, Callable[[Path, Random], Sender]] = {"steady": Steady, "brief": Brief, "client": Client}


def opened(database: Path) -> Store:
    """A store on the file that the path names."""
    try:
        return open_store(str(database))
    except StorageError as error:
        raise Refused(str(error)) from error


def send(store: Store, key: str, text: str) -> int:
    """Have a message accepted; its id."""
    try:
        return run(store, sending.send(Context("campaign"), key, text, cap=1_000_000)).id
    except StorageError as error:
        raise Refused(str(error)) from error


def file_at(database: Path) -> tuple[int, int] | None:
    """Device and inode of what the path names now."""
    with contextlib.suppress(FileNotFoundError):
        seen = database.stat()
        return seen.st_dev, seen.st_ino
    return None


def main(habit: str, database: str, log: str, lanes: str, pause_ms: str, seed: str) -> None:
    """Send until told to stop."""
    told_to_stop: list[int] = []  # an event may be set by no handler: the thread that waits for it may hold its lock
    signal.signal(signal.SIGTERM, lambda number, _: told_to_stop.append(number))
    luck, path = Random(seed), Path(database)
    numbers = [0] * int(lanes)
    sender = HABITS[habit](path, luck)
    with Path(log).open("a", encoding="utf-8", buffering=1) as acknowledged:
        while not told_to_stop:
            time.sleep(luck.uniform(0, 2 * int(pause_ms)) / 1000)
            lane = luck.randrange(len(numbers))
            numbers[lane] += 1
            text = f"{numbers[lane]} of {lane}, sent by {seed}"
            before = file_at(path)
            key = f"{before[1] if before else 0}-{seed}:{lane}"
            try:
                id_ = sender.send(key, text)
            except Refused as refused:
                sys.stderr.write(f"refused: {refused}\n")
                continue
            files = [before, file_at(path)]
            told = {"id": id_, "key": key, "text": text, "at": time.monotonic_ns(), "files": files}
            acknowledged.write(json.dumps(told) + "\n")
    sender.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
