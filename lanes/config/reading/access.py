"""Checks who may write a file that decides what a gateway runs."""

import contextlib
import grp
import os
import pwd
import stat
from pathlib import Path

from lanes.config.declared.refusal import refusal


def refuse_writers(path: Path, status: os.stat_result, *, named: bool) -> None:
    """Refuse a file that somebody else can write, since it decides what a gateway runs. Raises ConfigError.

    ``named``: a person named this file and so trusts its owner, as when a deployment places it for a service.
    """
    me = os.geteuid()
    trusted = {user_name(me), user_name(0), user_name(status.st_uid)}
    if status.st_uid not in (me, 0) and not named:
        problem = f"it belongs to {user_name(status.st_uid)}, who can make a gateway of {user_name(me)} run anything"
        raise refusal(str(path), "", problem, f"chown {user_name(me)} {path}, or name it: --config {path}")
    if not stat.S_ISREG(status.st_mode):
        return  # a pipe of the shell, say
    if status.st_mode & stat.S_IWOTH:
        raise refusal(str(path), "", f"everybody may write it ({_mode(status)})", f"chmod go-w {path}")
    if status.st_mode & stat.S_IWGRP and (others := members(status.st_gid) - trusted):
        members_named = ", ".join(sorted(others)[:3]) + (", …" if len(others) > 3 else "")
        problem = f"group {group_name(status.st_gid)} may write it ({_mode(status)}), with {members_named} in it"
        raise refusal(str(path), "", problem, f"chmod g-w {path}")


def other_owner(path: Path) -> str | None:
    """The user to whom a file belongs, where that is neither this one nor root. Raises OSError."""
    owner = path.stat().st_uid
    return None if owner in (os.geteuid(), 0) else user_name(owner)


def user_name(number: int) -> str:
    """The name of a user, or its number."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def group_name(number: int) -> str:
    """The name of a group, or its number."""
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def members(group: int) -> set[str]:
    """The users of a group, as far as this host knows them."""
    named: set[str] = set()
    with contextlib.suppress(KeyError):
        named = set(grp.getgrgid(group).gr_mem)
    return named | {user.pw_name for user in pwd.getpwall() if user.pw_gid == group}


def _mode(status: os.stat_result) -> str:
    return f"mode {stat.S_IMODE(status.st_mode):04o}"


def readable(path: Path) -> tuple[str, str] | None:
    """Who else may read a file of this user that holds a secret, as a problem and its remedy; None: nobody, or there is
    no such file. The rule of ssh for private keys, except that a group without other members may read it."""
    try:
        status = path.stat()
    except OSError:
        return None
    me = os.geteuid()
    if status.st_uid != me or not stat.S_ISREG(status.st_mode):
        return None
    group = status.st_mode & (stat.S_IRGRP | stat.S_IWGRP) and members(status.st_gid) - {user_name(me), user_name(0)}
    if not group and not status.st_mode & (stat.S_IROTH | stat.S_IWOTH):
        return None
    readers = f"group {group_name(status.st_gid)}" if group else "everybody"
    return f"{readers} may read the secret in {path} ({_mode(status)})", f"chmod 600 {path}"


def exposed(path: Path) -> tuple[str, str] | None:
    """What lets others change a database, as a problem and its remedy; None: nothing, or there is no file yet. Raises
    OSError."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    me = os.geteuid()
    if status.st_uid != me:
        owner = user_name(status.st_uid)
        return f"{path} belongs to {owner}, and {user_name(me)} uses it", f"run every lanes of this database as {owner}"
    if status.st_mode & (stat.S_IWOTH | stat.S_IWGRP):
        writers = "everybody" if status.st_mode & stat.S_IWOTH else f"group {group_name(status.st_gid)}"
        problem = f"{writers} may write {path} ({_mode(status)}), and so decide what runs and what is answered"
        return problem, f"chmod 600 {path}"
    return None
