"""Ending a process that served: whatever its runners do, it ends once the database is closed."""

import asyncio
import os
import threading
import time
from collections.abc import Coroutine
from queue import Empty, SimpleQueue
from typing import Any

from lanes.logs import flush
from lanes_storage.logs import Log
from lanes_storage.threads import shut_down

log = Log("lanes")

#: How long tasks that swallow their cancellation, and threads that block, are waited for at the very end.
LAST_WAIT_S = 0.5

#: How long a process may take to end after one of its tasks has ended the event loop.
BROKEN_S = 5.0

_deadlines: SimpleQueue[float] = SimpleQueue()


def run_to_its_end(main: Coroutine[Any, Any, None]) -> None:
    """``asyncio.run``, except that a runner or a hook that does not stop cannot keep the process alive.

    Raises what ``main`` raises. If a task of a runner or a hook ends the event loop, the process exits with code 1.
    """
    try:
        threading.Thread(target=_last_resort, name="lanes-last-resort", daemon=True).start()
    except RuntimeError:  # at a limit of processes
        main.close()
        raise
    try:
        with asyncio.Runner() as loop:
            try:
                loop.run(_and_leave(main))
            except (SystemExit, KeyboardInterrupt):
                leave_within(BROKEN_S)  # next, all tasks are cancelled and waited for
                raise
    except SystemExit:
        log.exception("a task of a runner or a hook ended the event loop: the process ends")
        _leave(1)


def leave_within(seconds: float) -> None:
    """End the process after ``seconds`` at the latest, whatever blocks or hangs then. The earliest deadline counts.

    May be called from any thread.
    """
    _deadlines.put(time.monotonic() + seconds)


def _last_resort() -> None:
    deadline = _deadlines.get()
    while (left := deadline - time.monotonic()) > 0:
        try:
            deadline = min(deadline, _deadlines.get(timeout=left))
        except Empty:
            break
    log.critical("the process did not end in time: it ends now, whatever still blocks it")
    _leave(1)


async def _and_leave(main: Coroutine[Any, Any, None]) -> None:
    try:
        await main
    except Exception:
        if await _something_stays():
            log.exception("the gateway ended with an error")
            _leave(1)
        raise
    if await _something_stays():
        _leave(0)


async def _something_stays() -> bool:
    """Cancel the remaining tasks and wait for the threads of the loop; returns whether any of them does not end."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks and (await asyncio.wait(tasks, timeout=LAST_WAIT_S))[1]:
        log.error("a runner or a hook swallows its cancellation: the process ends without it")
        return True
    threads = asyncio.gather(shut_down(), asyncio.get_running_loop().shutdown_default_executor())
    if (await asyncio.wait({threads}, timeout=LAST_WAIT_S))[1]:
        log.error("a thread still works (a runner, a hook, or the look-up of a name): the process ends without it")
        return True
    return False


def _leave(code: int) -> None:
    """End the process at once. The database is closed; only log lines are still to be written."""
    flush()
    os._exit(code)
