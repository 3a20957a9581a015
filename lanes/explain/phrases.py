"""Times, numbers, messages and failures as people read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lanes.text.naming import all_lanes
from lanes.text.timestamps import moment
from lanes_storage.law import EventType, LaneState, WatchedState

if TYPE_CHECKING:
    from lanes.records import Event, Failure, GlobPause, Lane, LastError, Message, Pause


def clock_time(at: int | None) -> str:
    """A time as the journal shows it: date and time in UTC, to the second."""
    return "" if at is None else moment(at)[:19].replace("T", " ") + "Z"


def standing(lane: Lane, wall: int) -> str:
    """The word that lists show for a lane at wall time ``wall``: its state, or what matters more."""
    if lane.abort_requested:
        return "aborting"
    if lane.run_id is None and lane.parked_until is not None and lane.parked_until > wall:
        return "parked"
    if lane.question is not None:
        return "awaiting input"
    if lane.seen is not None and lane.run_id is None and lane.state is LaneState.RUNNING and lane.seen.outdated:
        return "unseen"
    if lane.seen is not None and lane.seen.state is WatchedState.GHOST:
        return "ghost"
    return "paused" if lane.state is LaneState.IDLE and is_paused(lane.paused, wall) else lane.state


def is_paused(pause: Pause | GlobPause | None, wall: int) -> bool:
    """Whether a pause applies at wall time ``wall``."""
    return pause is not None and (pause.until is None or pause.until > wall)


def request_text(message: Message) -> str | None:
    """What a message asks: its text, or the last user text of a chat request; None if it is not known."""
    return message.asked if message.text is None else message.text


def replied(message: Message) -> str:
    """The text of a reply, and the tools that it calls."""
    calls = f"calls {', '.join(message.tools)}" if message.tools else ""
    return " ".join(part for part in (message.reply or "", calls) if part)


def failed_over(message: Message) -> str | None:
    """Who answered after others had failed: ``backup, after main (first_byte_timeout)``."""
    if message.provider is None or not message.attempts:
        return None
    return f"{message.provider}, after {', '.join(f'{each.provider} ({each.cause})' for each in message.attempts)}"


def concerned(event: Event) -> list[str]:
    """What an event is about besides its lane: a provider, another program's gateway or one of its lanes, a glob."""
    detail = event.detail or {}
    if event.type in (EventType.WATCHED_SILENT, EventType.FREED):
        return [f"lane {detail.get('key')}", *([str(detail["outcome"])] if "outcome" in detail else ())]
    if event.type == EventType.SOURCE:
        return [f"source {detail.get('source')}", *(str(detail[name]) for name in ("state", "why") if name in detail)]
    subjects = [f"provider {detail['provider']}"] if "provider" in detail else []
    return [*subjects, all_lanes(str(detail["match"]))] if "match" in detail else subjects


def to_do(event: Event) -> list[str]:
    """What an event advises to do next."""
    step = (event.detail or {}).get("next")
    return [str(step)] if step else []


def event_texts(event: Event) -> list[str]:
    """The texts of an event: its sentence, and the question that it asks."""
    detail = event.detail or {}
    # the message of an abort already contains its reason
    sentence = detail.get("message") or detail.get("reason") or detail.get("holder")
    question = detail.get("text") if event.type == EventType.ASKED else None
    return [str(each) for each in (sentence, question) if each]


def failed(error: Failure | LastError) -> str:
    """The cause of a failure and its sentence, which may begin with the cause: ``aborted by alice: stuck``."""
    return error.message if error.message.startswith(f"{error.cause} ") else f"{error.cause}: {error.message}"


def counted(number: int, noun: str) -> str:
    """``1 lane``, ``2 lanes``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
