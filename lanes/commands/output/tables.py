"""The tables of messages and events that more than one command prints."""

from collections.abc import Iterable, Sequence

from lanes.base.terminal import clean
from lanes.commands.output.layout import OutputColumn
from lanes.commands.output.printing import Output, Piece
from lanes.commands.output.words import lasting, one_line, state, took
from lanes.explain.phrases import clock_time, concerned, event_texts, failed, failed_over, replied, request_text, to_do
from lanes.records import Event, Message, RunProcess
from lanes_storage.clock import system_clock

#: How many of the last characters of an unfinished reply a table shows.
SO_FAR = 60
MESSAGES = (
    OutputColumn("ID", right=True),
    OutputColumn("STATE"),
    OutputColumn("POS", right=True),
    OutputColumn("ACCEPTED"),
    OutputColumn("TEXT", cut="end"),
    OutputColumn("RESULT", cut="end", below=True),
)
DEAD_LETTERS = (
    OutputColumn("ID", right=True),
    OutputColumn("ENDED"),
    OutputColumn("KEY", cut="middle", least=16, below=True),
    OutputColumn("CAUSE", cut="end", least=20),
    OutputColumn("", below=True),
)
EVENTS = (
    OutputColumn("ID", right=True),
    OutputColumn("AT"),
    OutputColumn("KEY", cut="middle", least=16, below=True),
    OutputColumn("TYPE"),
    OutputColumn("", below=True),
)
PROCESSES = (
    OutputColumn("PID", right=True),
    OutputColumn("PROCESS", cut="end", least=20),
    OutputColumn("AGE", right=True),
    OutputColumn("CPU", right=True),
    OutputColumn("MEMORY", right=True),
    OutputColumn("WAITS FOR", cut="end"),
)
#: How wide these columns are where one event is printed at a time.
USUAL = {"ID": 0, "AT": 0, "KEY": 16, "TYPE": 15, "": 0}


def print_messages(out: Output, messages: Iterable[Message], *, titles: bool = True) -> None:
    """Messages, one a line."""
    out.table(MESSAGES, [_message(message) for message in messages], titles=titles)


def print_dead_letters(out: Output, messages: Iterable[Message], *, titles: bool = True) -> None:
    """Failed messages of any lane, one a line."""
    out.table(DEAD_LETTERS, [_dead_letter(message) for message in messages], titles=titles)


def print_events(out: Output, events: Sequence[Event], *, with_key: bool, titles: bool = True) -> None:
    """Events, one a line."""
    columns = [column for column in EVENTS if with_key or column.title != "KEY"]
    out.table(columns, [_event(event, with_key=with_key) for event in events], titles=titles)


def print_processes(out: Output, processes: Iterable[RunProcess]) -> None:
    """The processes of a run, one a line, each below the one that started it."""
    out.table(PROCESSES, [_process(each) for each in processes])


def print_event(out: Output, event: Event, *, with_key: bool) -> None:
    """One event as a single line: the next one is not yet known, so the columns have a fixed width."""
    columns = [column for column in EVENTS if with_key or column.title != "KEY"]
    cells = [
        _padded(piece, USUAL[column.title])
        for piece, column in zip(_event(event, with_key=with_key), columns, strict=True)
    ]
    out.table(columns, [cells], titles=False)


def _padded(piece: Piece, width: int) -> Piece:
    return clean(piece).ljust(width) if isinstance(piece, str) else piece


def _process(each: RunProcess) -> list[Piece]:
    memory = f"{each.memory_bytes / 1e6:.0f} MB"
    name = f"{'  ' * each.depth}{each.command or each.name}"
    return [str(each.pid), name, took(each.age_ms), took(each.cpu_ms), memory, each.waits_for or "-"]


def _message(message: Message) -> list[Piece]:
    position = str(message.position or "")
    text = one_line(request_text(message) or "(a chat request)")
    return [
        str(message.id), state(message.state), position, clock_time(message.accepted_at), text, _result(message),
    ]  # fmt: skip


def _dead_letter(message: Message) -> list[Piece]:
    error = message.error
    assert error is not None, "a dead letter has failed"
    remark = f"retried as {message.retried_as}" if message.retried_as else one_line(error.message, None)
    return [str(message.id), clock_time(message.ended_at), message.key, error.cause, remark]


def _result(message: Message) -> str:
    if message.error is not None:
        retried = f" (retried as {message.retried_as})" if message.retried_as else ""
        return f"{one_line(failed(message.error), None)}{retried}"
    if message.answered_by is not None:
        return f"answered by {message.answered_by}"
    if message.state == "queued" and message.parked_until and message.parked_until > system_clock().wall:
        return f"parked{lasting(message.parked_until)}"
    if message.state == "running" and message.reply_so_far is not None:
        return f"so far: …{one_line(message.reply_so_far[-SO_FAR:])}"
    other = failed_over(message)
    return one_line(replied(message) if other is None else f"[{other}] {replied(message)}")


def _event(event: Event, *, with_key: bool) -> list[Piece]:
    parts = []
    if event.from_state != event.to_state and event.to_state is not None:
        parts.append(f"{event.from_state} → {event.to_state}" if event.from_state else event.to_state)
    numbers = (("run", event.run_id), ("message", event.message_id))
    parts += [f"{word} {number}" for word, number in numbers if number is not None]
    # what to do next comes first, so that it is not cut off
    words = to_do(event) + event_texts(event)
    parts += concerned(event)
    cause = event.cause
    if cause is not None and cause != event.to_state and not any(each.startswith(cause) for each in words):
        parts.append(cause)
    parts += [f"by {event.actor}"] if event.actor else []
    parts += words
    key = [event.key or ""] if with_key else []
    return [str(event.id), clock_time(event.at), *key, event.type, one_line(", ".join(parts), None)]
