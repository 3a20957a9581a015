"""The system user under which the processes of a run are started."""

import os
import pwd
from collections.abc import Mapping
from typing import NamedTuple

from lanes.base.errors import ConfigError


class SystemUser(NamedTuple):
    """A user by numbers, and the variables that depend on it."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    environment: Mapping[str, str]

    @property
    def numbers(self) -> tuple[int, int, tuple[int, ...]]:
        """The user, group and further groups that a process changes to."""
        return self.uid, self.gid, self.groups


def system_user(name: str | None, runner: str) -> SystemUser | None:
    """The user of that name; None: that of this process. Raises ConfigError if it does not exist or cannot be used."""
    if name is None:
        return None
    try:
        account = pwd.getpwnam(name)
    except KeyError:
        raise ConfigError(f"runner {runner}: this system has no user {name}") from None
    if os.geteuid() not in (0, account.pw_uid):
        raise ConfigError(f"runner {runner}: only root can start programs as another user ({name})")
    if os.geteuid() == account.pw_uid:
        return None
    groups = tuple(os.getgrouplist(name, account.pw_gid))
    own = {"HOME": account.pw_dir, "USER": name, "LOGNAME": name, "SHELL": account.pw_shell or "/bin/sh"}
    return SystemUser(account.pw_uid, account.pw_gid, groups, own)


def environment_of(user: SystemUser | None, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment for that user: variables for another user's folders (``XDG_…``) are left out."""
    if user is None:
        return dict(environment)
    return {name: value for name, value in environment.items() if not name.startswith("XDG_")} | dict(user.environment)
