"""Which process this is, and whether another one is provably gone.

A process is identified by host, boot, pid namespace, pid and start time. Only a process of the same boot (even if the
host was renamed since) and of the same pid namespace can be checked; others can only be silent, which this module does
not judge. A process that cannot be inspected never counts as gone: a wrong "gone" would take a lane from a healthy run.
"""

import os
import sys
from enum import Enum
from functools import cache

from lanes.base.terminal import clean
from lanes.host.stat import ProcessStat, stat_of
from lanes_storage.clock import boot_id, same_boot
from lanes_storage.records import OwnerRow, ProcessIdentity
from lanes_storage.tuples import NamedTuple

_LINUX = sys.platform == "linux"

Identity = ProcessIdentity
#: What identifies a process.
Named = ProcessIdentity | OwnerRow


class ProcessSighting(Enum):
    """The result of looking for a process; the value is the evidence, as part of a sentence about the process."""

    OTHER_HOST = "is on host {host}, which cannot be judged from here"
    OTHER_BOOT = "is of another boot of host {host}, of another machine of that name, or has other clocks"
    OTHER_NAMESPACE = "is in another pid namespace of this host, which cannot be judged from here"
    HIDDEN = "on this host exists, but this user may not look at it"
    ALIVE = "on this host is alive"
    STOPPED = "on this host is stopped: `kill -CONT {pid}` lets it go on"
    GONE = "on this host is gone"
    REUSED = "on this host is gone; its number belongs to a process that started at another time"
    ZOMBIE = "on this host has ended (a zombie that its parent has not yet reaped)"

    @property
    def gone(self) -> bool:
        """Whether this proves that the process has ended. False proves nothing."""
        return self in _PROOF


_PROOF = frozenset({ProcessSighting.GONE, ProcessSighting.REUSED, ProcessSighting.ZOMBIE})


class _PsutilStat(NamedTuple):
    """What psutil reports about a process, in place of ``ProcessStat`` on Linux."""

    start_time: int
    ended: bool
    stopped: bool  # by a signal or a debugger; it may continue at any moment


@cache
def this_process() -> Identity:
    """The identity of the calling process."""
    pid = os.getpid()
    return Identity(os.uname().nodename, boot_id(), _pid_namespace(), pid, _own_start_time(pid))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=this_process.cache_clear)


def identity_of(pid: int) -> Identity:
    """The identity of another living process of this host and pid namespace.

    Raises ProcessLookupError if there is none, PermissionError if it may not be inspected.
    """
    found = _find(pid)
    if found is None or found.ended:
        raise ProcessLookupError(f"no process {pid}")
    return Identity(os.uname().nodename, boot_id(), _pid_namespace(), pid, found.start_time)


def look(owner: Named, me: Identity) -> ProcessSighting:
    """What ``me`` can see of the process that ``owner`` names."""
    if not _same_boot(owner, me):
        return ProcessSighting.OTHER_HOST if owner.host != me.host else ProcessSighting.OTHER_BOOT
    if owner.pid_ns != me.pid_ns:
        return ProcessSighting.OTHER_NAMESPACE
    if me == this_process() and owner.pid == me.pid and _same_start(owner.start_time, me.start_time):
        return ProcessSighting.ALIVE  # it looks, so it lives: no need for /proc
    try:
        found = _find(owner.pid)
    except PermissionError:
        return ProcessSighting.HIDDEN
    if found is None:
        return ProcessSighting.GONE
    if not _same_start(found.start_time, owner.start_time):
        return ProcessSighting.REUSED
    if found.ended:
        return ProcessSighting.ZOMBIE
    return ProcessSighting.STOPPED if found.stopped else ProcessSighting.ALIVE


def is_gone(owner: Named, me: Identity) -> bool:
    """Whether the process is provably gone: same host, boot and pid namespace, and no process of that pid and
    start time. A zombie is gone. False proves nothing."""
    return look(owner, me).gone


def is_here(owner: Named, me: Identity) -> bool:
    """Whether ``me`` may judge the process: same host, boot and pid namespace."""
    return owner.pid_ns == me.pid_ns and _same_boot(owner, me)


def evidence(owner: Named, me: Identity) -> str:
    """What is seen, for a person: ``process 4711 on this host is gone``. Harmless for a terminal."""
    return sighting_text(owner, look(owner, me))


def sighting_text(owner: Named, sight: ProcessSighting) -> str:
    """The description of an earlier result, as a sentence."""
    return f"process {owner.pid} {sight.value.format(host=clean(owner.host), pid=owner.pid)}"


def _same_boot(owner: Named, me: Identity) -> bool:
    return same_boot(owner.host, owner.boot_id, me.host, me.boot_id)


def _own_start_time(pid: int) -> int:
    if not _LINUX:
        return _by_psutil(pid).start_time
    try:
        return stat_of("self").start_time
    except FileNotFoundError:  # a sandbox without /proc, where only an unused pid is a proof
        return 0


def _pid_namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - often
    except OSError:  # this system has no pid namespaces
        return ""


def _same_start(one: int, other: int) -> bool:
    # On systems other than Linux it is the difference of two rounded floats.
    return one == other if _LINUX else abs(one - other) <= 1


def _find(pid: int) -> ProcessStat | _PsutilStat | None:
    """The process with that pid, or None. Raises PermissionError if it exists, but this user may not inspect it."""
    if pid <= 0:
        return None
    if not _LINUX:
        return _by_psutil_or_none(pid)
    if _proc_is_ours():
        try:
            return stat_of(pid)
        except (FileNotFoundError, ProcessLookupError):
            pass  # none, or hidden by the mount option `hidepid`: the signal below shows which
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):  # no process has such a number
        return None
    except PermissionError:
        pass
    raise PermissionError(f"process {pid} exists, but this user may not inspect it")


def _proc_is_ours() -> bool:
    """Whether /proc shows the pid namespace of this process, and not the one that it was mounted in."""
    try:
        return os.readlink("/proc/self") == str(os.getpid())  # noqa: PTH115 - often
    except OSError:
        return False


def _by_psutil_or_none(pid: int) -> _PsutilStat | None:
    import psutil

    try:
        return _by_psutil(pid)
    except psutil.NoSuchProcess:
        return None
    except psutil.AccessDenied:
        raise PermissionError(f"process {pid} exists, but this user may not inspect it") from None


def _by_psutil(pid: int) -> _PsutilStat:
    import psutil

    process = psutil.Process(pid)
    status = process.status()
    ended, stopped = status in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD), status == psutil.STATUS_STOPPED
    # psutil returns wall time, which changes when someone sets the clock; relative to process 1 it is constant.
    try:
        origin = psutil.Process(1).create_time()
    except psutil.NoSuchProcess:  # a jail without one
        origin = 0.0
    return _PsutilStat(round((process.create_time() - origin) * 100), ended, stopped)
