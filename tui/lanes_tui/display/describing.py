"""Messages, events, processes and lanes as lines of text, the same on every screen."""

from collections.abc import Iterable, Sequence

from textual.content import Content

from lanes.base.terminal import clean
from lanes.explain.phrases import concerned, event_texts, failed_over, replied, request_text, to_do
from lanes.records import Attempt, Event, Lane, LaneDetail, Message, RunProcess
from lanes.text.amounts import dollars
from lanes.text.spans import span
from lanes_storage.law import MessageState
from lanes_tui.display import text, words
from lanes_tui.display.columns import ViewedAt

#: How many cells of its key are shown on the line of an event.
_KEY = 30


def message_line(message: Message, sight: ViewedAt) -> Content:
    """One message: its place or state, its id, its age, its text and its result."""
    look = words.look_of_state(message.state)
    mark = look.symbol if message.position is None else str(message.position)
    since = message.ended_at or message.started_at or message.accepted_at
    if message.state is MessageState.QUEUED:
        since = message.accepted_at
    return text.line(
        (f"{mark} ", look.tone),
        (f"#{message.id} {words.short(sight.wall - since)} ", "muted"),
        message_text(message),
        *_result(message, sight),
    )


def message_text(message: Message) -> str:
    """The text of a message, on one line."""
    return text.first_words(request_text(message) or "(a chat request)")


def _result(message: Message, sight: ViewedAt) -> list[text.Part]:
    if message.error is not None:
        tone = words.look_of_state(message.state).tone
        why = text.first_words(message.error.message)
        return [("  ← ", "muted"), (message.error.cause, tone), (f" {why}", "muted")]
    if message.reply is not None:
        other = failed_over(message)
        by = [] if other is None else [(f"by {other}: ", "warn")]
        return [("  → ", "muted"), *by, (text.first_words(replied(message)), "good")]
    if message.state is MessageState.RUNNING and message.reply_so_far is not None:
        return [("  → so far: ", "muted"), text.last_words(message.reply_so_far)]
    if message.parked_until is not None and message.parked_until > sight.wall:
        return [(f"  parked for {words.short(message.parked_until - sight.wall)}", "warn")]
    return []


def message_whole(message: Message, sight: ViewedAt) -> list[Content]:
    """All that is known of a message, on as many lines as that takes."""
    look = words.look_of_state(message.state)
    head = text.line(
        (f"MESSAGE #{message.id} ", "head"),
        look.label,
        (_history(message, sight), "muted"),
    )
    lines = [
        head,
        *([] if message.text is not None else [text.line(("(a chat request)", "muted"))]),
        *text.prose(request_text(message) or ""),
    ]
    if message.reply is not None:
        lines += [text.line(("REPLY", "head"), (_by(message), "muted")), *text.prose(replied(message), "good")]
        lines += attempt_lines(message.attempts, sight)
    elif message.reply_so_far is not None:
        lines += [text.line(("REPLY SO FAR (ITS END)", "head")), *text.prose(message.reply_so_far)]
    if message.error is not None:
        lines.append(text.line(("ERROR ", "head"), (message.error.cause, "errored")))
        lines += text.prose(message.error.message)
        lines += attempt_lines(message.error.attempts, sight)
    return lines


def _by(message: Message) -> str:
    """Which provider and model answered, and what it cost."""
    provider = failed_over(message) or message.provider
    cost = "" if message.cost_usd is None else f", {dollars(round(message.cost_usd * 1e6))}"
    return "" if provider is None else f" by {provider}" + (f", model {message.model}" if message.model else "") + cost


def _history(message: Message, sight: ViewedAt) -> str:
    known = [f"  accepted {sight.moment(message.accepted_at)}"]
    known += [f"started {sight.moment(message.started_at)}"] if message.started_at is not None else []
    known += [f"ended {sight.moment(message.ended_at)}"] if message.ended_at is not None else []
    links = (("retry of", message.retry_of), ("retried as", message.retried_as), ("answered by", message.answered_by))
    known += [f"{word} #{number}" for word, number in links if number is not None]
    known += [f"interrupted {words.times(message.interruptions)}"] if message.interruptions else []
    return ", ".join(known)


def attempt_lines(attempts: Iterable[Attempt], sight: ViewedAt) -> list[Content]:
    """The providers that were tried, in their order."""
    return [
        text.line(
            (f"  {number}. {sight.moment(tried.at)} ", "muted"),
            (f"{tried.provider} ", "strong"),
            (tried.cause, "errored"),
            (f" {text.first_words(tried.message)}", "muted"),
        )
        for number, tried in enumerate(attempts, 1)
    ]


def event_line(event: Event, sight: ViewedAt, *, with_key: bool = False) -> Content:
    """One row of the journal: when, what, by whom, why."""
    parts: list[text.Part] = [(f"{sight.moment(event.at)} ", "muted")]
    if with_key and event.key is not None:
        parts.append(text.fitted(text.line((text.in_the_middle(event.key, _KEY), "strong")), _KEY + 1))
    parts.append(event.type)
    if event.to_state is not None and event.to_state != event.from_state:
        look = words.LANES.get(event.to_state)
        parts.append((f" → {event.to_state}", look.tone if look else ""))
    if event.cause is not None and event.cause != event.type:
        parts.append((f" {event.cause}", "warn"))
    about = concerned(event)
    if event.actor is not None and not any(each.startswith(f"{event.actor} ") for each in about):
        parts.append((f" {event.actor}", "muted"))
    # what happened comes first: only the line under the cursor is shown whole, with what to do about it
    more = ", ".join((*about, *map(text.first_words, event_texts(event)), *to_do(event)))
    return text.line(*parts, (f" {more}" if more else "", "muted"))


def process_lines(processes: Sequence[RunProcess], sight: ViewedAt, most: int = 100) -> list[Content]:
    """The processes of a run, each below the one that started it: its age, what it uses, and what it waits for.

    ``most``: how many lines at most; the last one counts the processes without a line.
    """
    if not processes:
        return []
    lines = [text.line(("PROCESSES", "head"), ("     age    cpu   memory", "muted"))]
    shown = len(processes) if len(processes) < most else most - 2
    for each in processes[:shown]:
        used = f"{span(each.cpu_ms):>7}{each.memory_bytes / 1e6:>6.0f} MB  "
        waits = f"  waits for {each.waits_for}" if each.waits_for else ""
        place = f"{'  ' * each.depth}{each.pid} {each.command or each.name}"
        lines.append(text.line((f"{'':9}{span(sight.age(each.age_ms)):>8}{used}", "muted"), place, (waits, "muted")))
    if shown < len(processes):
        lines.append(text.line((f"{'':9}and {words.number(len(processes) - shown)} more", "muted")))
    return lines


def why_text(detail: LaneDetail) -> str:
    """The why-paragraph of a lane, without its key and its state, which the line above shows."""
    paragraph = detail.why.removeprefix(f"Lane {clean(detail.lane.key)} is ")
    first, _, rest = paragraph.partition(". ")
    return rest if first.isalpha() else paragraph[:1].upper() + paragraph[1:]


def described(lane: Lane, sight: ViewedAt) -> list[Content]:
    """A lane in the dialog of an action: its key, its state and epoch, and who holds it."""
    look = words.look_of(lane, sight.wall)
    state: list[text.Part] = [look.label]
    if lane.held_ms is not None:
        state.append(f" for {span(sight.age(lane.held_ms))}")
    lines = [text.line((text.key_of(lane.key), "strong")), text.line(*state, (f", epoch {lane.epoch}", ""))]
    return lines if lane.run_id is None else [*lines, _holder(lane, sight)]


def _holder(lane: Lane, sight: ViewedAt) -> Content:
    owner = lane.owner
    if owner is None:
        return text.line(("held by nobody: its owner has ended", "bad"))
    holder = f"held by {owner.host}:{owner.pid} (owner {owner.id})"
    silent = lane.heartbeat_age_ms
    beat = "no heartbeat known" if silent is None else f"last heartbeat {span(sight.age(silent))} ago"
    if owner.alive:
        return text.line((f"{holder}, {beat}", "muted"))
    return text.line((f"{holder}, dead or silent, {beat}", "bad"))
