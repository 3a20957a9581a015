"""How states, ages and times are written on the screen: a symbol, a word and a tone, so that none of them
is the only sign of anything.
"""

import time
from typing import NamedTuple

from lanes.base.terminal import clean
from lanes.explain.phrases import standing
from lanes.records import Health, Lane, Provider
from lanes_storage.law import LaneState, MessageState


class Appearance(NamedTuple):
    """How a state is shown."""

    symbol: str
    word: str
    tone: str

    @property
    def label(self) -> tuple[str, str]:
        """The symbol and the word in their tone, as a part of a line."""
        return f"{self.symbol} {self.word}", self.tone


LANES: dict[str, Appearance] = {
    LaneState.IDLE: Appearance("○", "idle", "idle"),
    LaneState.RUNNING: Appearance("▶", "running", "running"),
    LaneState.ERRORED: Appearance("✖", "errored", "errored"),
    LaneState.ABORTED: Appearance("■", "aborted", "aborted"),
}
PAUSED = Appearance("‖", "paused", "paused")
#: The last run failed at its providers, and the message is tried again by itself.
PARKED = Appearance("◔", "parked", "paused")
AWAITING = Appearance("?", "awaiting", "accent")
ABORTING = Appearance("▶", "aborting", "aborted")
#: A run that another program's row names, and that its gateway does not count.
GHOST = Appearance("▶", "ghost", "bad")
#: Held in another program's gateway when that was last seen.
UNSEEN = Appearance("?", "unseen", "warn")

#: The looks of lanes whose standing (``lanes.explain.phrases.standing``) says more than their state.
_STANDING = {
    "aborting": ABORTING,
    "parked": PARKED,
    "awaiting input": AWAITING,
    "unseen": UNSEEN,
    "ghost": GHOST,
    "paused": PAUSED,
}

#: How many characters are shown of a state that this program does not know.
LONGEST_WORD = 20

#: Messages that run, or were aborted, look like such lanes.
_STATES: dict[str, Appearance] = LANES | {
    MessageState.QUEUED: Appearance("·", "queued", "strong"),
    MessageState.DONE: Appearance("✔", "done", "good"),
    MessageState.FAILED: Appearance("✖", "failed", "errored"),
    MessageState.DROPPED: Appearance("–", "dropped", "muted"),
}

PROVIDERS: dict[Health, Appearance] = {
    Health.COOLING: Appearance("✖", "cooling", "bad"),
    Health.PROBING: Appearance("◔", "probing", "warn"),
    Health.TRICKLING: Appearance("◔", "trickling", "warn"),
    Health.TRIED_LAST: Appearance("◔", "tried last", "warn"),
    Health.WELL: Appearance("●", "well", "good"),
}


def look_of(lane: Lane, wall: int) -> Appearance:
    """The look of a lane at wall time ``wall``."""
    return _STANDING.get(standing(lane, wall)) or look_of_state(lane.state)


def look_of_state(state: LaneState | MessageState) -> Appearance:
    """The look of a state of a lane or a message; an unknown one has its word."""
    return _STATES.get(state) or Appearance("?", clean(state[:LONGEST_WORD]), "muted")


def look_of_provider(provider: Provider, wall: int) -> Appearance:
    """The look of a provider at wall time ``wall``, with the time until it may be asked, or asked first."""
    look = PROVIDERS[provider.health]
    until = {Health.COOLING: provider.until, Health.TRIED_LAST: provider.tried_last_until}.get(provider.health)
    return look if until is None else look._replace(word=f"{look.word} {short(max(0, until - wall))}")


def short(ms: int | None) -> str:
    """A duration in at most six cells: ``12s``, ``3m``, ``2h05m``, ``4d01h``, ``120d``. None: ``-``.

    Above a minute no seconds: a screen of lanes would change every second, and over SSH that is noticed.
    """
    if ms is None:
        return "-"
    seconds = max(0, ms) // 1000
    if seconds < 60:
        return f"{seconds}s"
    for unit, size, smaller, part in (("d", 86_400, "h", 3_600), ("h", 3_600, "m", 60)):
        if seconds >= size:
            whole, rest = divmod(seconds, size)
            return f"{whole}{unit}" if whole > 99 else f"{whole}{unit}{rest // part:02}{smaller}"
    return f"{seconds // 60}m"


class _Zone:
    """Whether times are written in local time: one choice for the whole program, like the time zone of a process."""

    local = False


def show_local_time(local: bool) -> None:
    """Write times in the zone of this machine from now on, or in UTC."""
    _Zone.local = local


def _parts(wall: int) -> time.struct_time:
    return time.localtime(wall / 1000) if _Zone.local else time.gmtime(wall / 1000)


def clock(wall: int) -> str:
    """A time of day: ``14:02:07``."""
    return time.strftime("%H:%M:%S", _parts(wall))


def zoned(wall: int) -> str:
    """A time of day with its zone: ``14:02:07Z``, ``16:02:07 CEST``."""
    return f"{clock(wall)} {time.strftime('%Z', _parts(wall))}" if _Zone.local else f"{clock(wall)}Z"


def moment(wall: int, now: int) -> str:
    """A time of day, with its date if that is not today: eight cells or fifteen."""
    parts, today = _parts(wall), _parts(now)
    same_day = (parts.tm_year, parts.tm_yday) == (today.tm_year, today.tm_yday)
    return clock(wall) if same_day else time.strftime("%b %d %H:%M:%S", parts)


def number(count: int) -> str:
    """``18,455``."""
    return f"{count:,}"


def brief(count: int) -> str:
    """In at most four cells: ``950``, ``18k``, ``2M``; rounded down."""
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if count >= size:
            return f"{count // size}{unit}"
    return str(count)


def counted(count: int, noun: str) -> str:
    """``1 lane``, ``2,000 lanes``."""
    return f"{number(count)} {noun}{'' if count == 1 else 's'}"


def times(count: int) -> str:
    """``once``, ``2 times``."""
    return "once" if count == 1 else f"{number(count)} times"
