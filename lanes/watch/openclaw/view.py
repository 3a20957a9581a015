"""What is known of the sessions of an OpenClaw gateway: its rows, the runs that its events opened, signs of life."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from lanes.watch.reading import ShownKeys, latest, moment, objects, typed, words
from lanes_storage.law import WatchedState
from lanes_storage.records import Sighting

#: Events that show that a run is alive.
SIGNS = frozenset({"agent", "chat", "session.tool", "session.message"})
#: Phases of a run that open it, and that end it.
OPENED, ENDED = frozenset({"start", "model"}), frozenset({"end", "error"})
#: The most sessions, and runs of one, that are followed by events; the oldest sessions are forgotten first.
MOST_SESSIONS = 5_000
MOST_RUNS = 64
#: A run is a ghost once its gateway has counted no active run of its session for this long (ms).
GHOST_MS = 1_000
#: How much the start of a run may differ between an event and the list (ms).
SLACK_MS = 5_000
_LANE = "session:"


class SessionView:
    """The sessions, kept up to date by events and lists. ``clock``: wall time in milliseconds."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self.names = ShownKeys()
        self.attached_at = clock()
        self._open: dict[str, dict[str, int]] = {}
        self._ended: dict[str, str] = {}
        self._signs: dict[str, int] = {}
        self._depth: dict[str, int] = {}
        self._suspected: dict[str, int] = {}
        self._recalled: set[str] = set()
        self.sequence = 0

    def on_event(self, event: str, payload: Mapping[str, Any]) -> bool:
        """Take note of an event; returns whether a session may have changed by it."""
        key = typed(payload, "sessionKey", str, "") or typed(payload, "key", str, "")
        key = key or self._key_of(words(payload, "runId"))
        if not key:
            return event == "sessions.changed"
        if event in SIGNS:
            self._remember(self._signs, key, self._clock())
        if event == "agent" and payload.get("stream") == "lifecycle":
            self._lifecycle(key, payload)
            return True
        return event == "sessions.changed" or (event == "chat" and payload.get("state") != "delta")

    def _lifecycle(self, key: str, payload: Mapping[str, Any]) -> None:
        data, run = typed(payload, "data", dict, {}), words(payload, "runId")
        phase = words(data, "phase")
        if phase == "start":  # a run that fails over starts again; any other phase after an end opens nothing
            self._ended.pop(run, None)
        if phase in OPENED and run and run not in self._ended:
            if key in self._recalled and run not in self._open.get(key, {}):
                self._recalled.discard(key)
                self._open.pop(key, None)
            runs = self._open.get(key, {})
            self._remember(self._open, key, runs)
            if len(runs) < MOST_RUNS:
                runs.setdefault(run, moment(data, "startedAt") or self._clock())
        elif phase in ENDED:
            self.over(key, (run,))

    def over(self, key: str, runs: Iterable[str]) -> None:
        """Take note that these runs have ended."""
        live = self._open.get(key, {})
        for run in runs:
            live.pop(run, None)
            self._remember(self._ended, run, key)
        if not live:
            self._open.pop(key, None)

    def _key_of(self, run: str) -> str:
        """The session of an open run: the last event of a run may not name it."""
        return next((key for key, runs in self._open.items() if run in runs), "") if run else ""

    def has_ended(self, run: str) -> bool:
        """Whether the end of a run was seen."""
        return run in self._ended

    def live(self, key: str) -> tuple[str, ...]:
        """The runs of a session that have begun and not ended, by their events, the oldest first."""
        runs = self._open.get(key, {})
        return tuple(sorted(runs, key=lambda run: runs[run]))

    def count(self, stability: Mapping[str, Any]) -> None:
        """Take note of the depths of queues; the depth in an enqueue event includes the run."""
        for each in objects(stability, "events"):
            self.sequence = max(self.sequence, typed(each, "seq", int, 0))
            source, size = typed(each, "source", str, ""), typed(each, "queueSize", int, -1)
            if source.startswith(_LANE) and size >= 0:
                waiting = max(0, size - 1) if words(each, "type").endswith("enqueue") else size
                self._remember(self._depth, source.removeprefix(_LANE), waiting)

    def rows(self, listed: list[dict[str, Any]]) -> list[Sighting]:
        """The sessions of a list, with what events told of them."""
        suspects: dict[str, int] = {}
        rows = [self._row(row, suspects) for row in listed if typed(row, "key", str, "")]
        self._suspected = suspects
        return rows

    def _row(self, row: Mapping[str, Any], suspects: dict[str, int]) -> Sighting:
        key = typed(row, "key", str, "")
        active, status = row.get("hasActiveRun") is True, words(row, "status")
        started, ended = moment(row, "startedAt"), moment(row, "endedAt")
        self._check_recalled(key, active or status == "running", started)
        live = self.live(key)
        listed = tuple(words({"run": each}, "run") for each in typed(row, "activeRunIds", list, []))
        own = started if started is not None and started > (ended or 0) else None  # else of the run before
        state = self._state(key, active, status, live, own, suspects)
        held = state in (WatchedState.RUNNING, WatchedState.GHOST)
        if not held:
            self._depth.pop(key, None)
        since = min(self._open[key].values()) if live else own
        return Sighting(
            key=self.names.shown(key),
            state=state,
            runs=(live or listed) if held else (),
            since=since if held else None,
            last_sign=latest(self._signs.get(key), since) if held else None,
            waiting=self._depth.get(key) if held else None,
            outcome=None if held else status or None,
        )

    def _state(
        self, key: str, active: bool, status: str, live: tuple[str, ...], began: int | None, suspects: dict[str, int]
    ) -> WatchedState:
        if active:
            return WatchedState.RUNNING
        if live:  # around its start and end, a run may be missing from the list; a ghost stays missing
            suspects[key] = self._suspected.get(key, self._clock())
            return WatchedState.GHOST if self._clock() - suspects[key] >= GHOST_MS else WatchedState.RUNNING
        if status != "running":
            return WatchedState.IDLE
        # The start of a run that began after ``attached_at`` would have been seen: the row is left over from an abort.
        return WatchedState.GHOST if began is not None and began < self.attached_at else WatchedState.STALE

    def recall(self, rows: Iterable[Sighting]) -> None:
        """Restore the runs known before this connection: a gateway does not tell which one holds a session."""
        for row in rows:
            if row.held and row.runs and row.state in (WatchedState.RUNNING, WatchedState.GHOST):
                key = self.names.raw(row.key)
                self._remember(self._open, key, dict.fromkeys(row.runs, row.since or self._clock()))
                self._recalled.add(key)

    def _check_recalled(self, key: str, runs: bool, started: int | None) -> None:
        """Forget the recalled runs of a session that is no longer held, or is held by a run that began later."""
        if key in self._recalled:
            newest = max(self._open.get(key, {}).values(), default=0)
            if not runs or (started is not None and started > newest + SLACK_MS):
                self._open.pop(key, None)
                self._recalled.discard(key)

    @staticmethod
    def _remember(where: dict[str, Any], name: str, value: Any) -> None:
        where.pop(name, None)
        where[name] = value
        if len(where) > MOST_SESSIONS:
            del where[next(iter(where))]
