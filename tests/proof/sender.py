"""A sender as a process of its own: sends one message after another, and notes each only once it was acknowledged.

    python sender.py DATABASE LOG LANES PAUSE_MS SEED

Texts hold the number of the message in its lane. SIGTERM ends it after the message that it is sending.
"""

import json
import signal
import sys
import threading
from pathlib import Path
from random import Random

from lanes import operations
from lanes.procedure import run
from lanes_storage import open_store


def main(database: str, log: str, lanes: str, pause_ms: str, seed: str) -> None:
    """Send until told to stop."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    luck = Random(seed)
    numbers = [0] * int(lanes)
    store = open_store(database, create=True)
    with Path(log).open("a", encoding="utf-8", buffering=1) as acknowledged:
        while not stop.wait(luck.uniform(0, 2 * int(pause_ms)) / 1000):
            lane = luck.randrange(len(numbers))
            numbers[lane] += 1
            text = f"{numbers[lane]} of {lane}, sent by {seed}"
            message = run(store, operations.send(f"{seed}:{lane}", text, actor="campaign", cap=1_000_000))
            acknowledged.write(json.dumps({"id": message.id, "text": text}) + "\n")
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
