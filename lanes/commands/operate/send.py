"""``lanes send KEY TEXT``: accept a message, and wait for its reply if asked to."""

import os
import re
import time

import click

from lanes.base import arguments
from lanes.commands.common.exits import Exit, fail
from lanes.commands.common.options import DURATION, KEY, message_text
from lanes.commands.common.session import DRAINED, Session, pass_session
from lanes.commands.common.verbs import options_of
from lanes.commands.output.printing import Output
from lanes.commands.output.words import took
from lanes.drivers.driver import Driver
from lanes.explain.phrases import failed
from lanes.records import Message
from lanes.text.naming import on_lane
from lanes.verbs.queries import why
from lanes.verbs.sending import message, send

#: How long a wait continues while no gateway claims anything: a restarted one is back within this time.
PATIENCE_S = 10.0
#: The time between two checks whether a gateway claims.
LOOK_MS = 1_000
#: Durations in the reason of a wait; a reason in which only they differ is not printed again.
DURATIONS = re.compile(r"\b\d+ m?s\b|\b\d+[dhm] \d+[hms]\b")
UNFINISHED = ("queued", "running")


@click.command(
    "send",
    epilog="""\b
    Examples:
      lanes send agent:main:telegram:42 "hello" --wait
      lanes send agent:main:telegram:42 "something else" --fresh
      git log -5 | lanes send review:1 - --idempotency-key "$(git rev-parse HEAD)"
    """,
)
@click.argument("key", type=KEY)
@click.argument("text")
@click.option("--wait", is_flag=True, help="Wait for the reply, and print it.")
@click.option(
    "--timeout", type=DURATION, metavar="D", help="With --wait: for at most this long. [default: until it ends]"
)
@options_of(send, "text")
@pass_session
def command(
    session: Session,
    /,
    key: str,
    text: str,
    wait: bool,
    timeout: int | None,
    if_idle: bool,
    idempotency_key: str | None,
    fresh: bool,
) -> int:
    """Accept a message for a lane.

    Prints its id. A TEXT of - is read from standard input.

    With --wait: exit code 1 when it ends otherwise than done, 5 when --timeout runs out, 69 when no gateway claims
    anything. A run that waits for a lane which waits for it is refused at once, exit code 1.
    """
    if timeout is not None and not wait:
        fail("--timeout needs --wait")
    if idempotency_key == "":
        fail("an idempotency key must not be empty")
    text = message_text(text)
    sender = arguments.digits(os.environ.get("LANES_RUN_ID", ""))  # the run that this process is a part of
    run = sender if wait else None
    how = {"if_idle": if_idle, "idempotency_key": idempotency_key, "fresh": fresh}
    with session.desk(create=True) as desk:
        accepted = desk.call(send, key=key, text=text, waiting_run=run, from_run=sender, **how)
        if wait:
            try:
                return _wait(session, desk, accepted, run, timeout)
            except KeyboardInterrupt:
                number = accepted.id
                session.out.talk(
                    f"interrupted; message {number} goes on: `lanes drop {number}` takes it back while it waits"
                )
                raise
        session.print_accepted(desk, accepted, str(accepted.id))
    return Exit.DONE


def _wait(session: Session, desk: Driver, accepted: Message, run: int | None, timeout_ms: int | None) -> int:
    out, number, last = session.out, accepted.id, accepted
    out.talk(f"accepted as message {number}{_held_up(accepted)}")
    end = None if timeout_ms is None else time.monotonic() + timeout_ms / 1000
    alone_since: float | None = None
    first, waiting = True, WaitNotice()
    # On a database here, accepting the message recorded the wait of the run; it lasts as long as this loop.
    recorded = run is not None and session.url is None
    while last.state in UNFINISHED:
        now = time.monotonic()
        alone = session.alone(desk, drained=True)
        if alone == DRAINED:  # the gateways are alive, so the wait continues
            session.talk_once(DRAINED)
            alone = None
        alone_since = None if alone is None else (alone_since or now)
        lonely = alone_since is not None and (first or now - alone_since > PATIENCE_S)
        if lonely or (end is not None and now >= end):
            if recorded:  # a call that names the run ends its wait
                desk.call(message, id=number, wait=0, waiting_run=run)
            session.out.result(last, str(last.id))
            if lonely:
                return out.trouble("no_gateway", f"message {number} is accepted, and {alone}", Exit.UNREACHABLE)
            detail = f"message {number} is {last.state} after {took(timeout_ms or 0)}; it goes on"
            return out.trouble("unconfirmed", detail, Exit.UNCONFIRMED)
        left = LOOK_MS if end is None else max(1, round((end - now) * 1000))
        last = desk.call(message, id=number, wait=min(LOOK_MS, left), waiting_run=None if recorded else run)
        first = False
        if out.watched:
            waiting.update(out, desk, last)
    return _print_ended(session, last)


class WaitNotice:
    """Tells a person why a message has not started, and again whenever more than durations in the reason change."""

    def __init__(self) -> None:
        self._shown: str | None = None

    def update(self, out: Output, desk: Driver, last: Message) -> None:
        held_up = desk.call(why, key=last.key).held_up if last.state == "queued" else None
        if held_up is None:
            return
        before = "" if last.position in (None, 1) else f"it is number {last.position} in its lane. "
        kind = DURATIONS.sub("", before + held_up)
        if kind != self._shown:
            self._shown = kind
            out.talk(f"waits: {before}{held_up}")


def _held_up(message: Message) -> str:
    return "" if message.held_up is None else f", and waits: {message.held_up}"


def _print_ended(session: Session, message: Message) -> int:
    done = message.state == "done"
    if session.out.json:
        session.out.data(message)
    elif done:
        session.out.block(message.reply or "")
    if done:
        return Exit.DONE
    error = message.error
    reason = f"{message.state}: it has no reply" if error is None else failed(error)
    fix = f"`{on_lane('why', message.key)}` says what to do about it"
    code = session.out.trouble(message.state, f"message {message.id} {message.state}: {reason}", Exit.FAILED, fix)
    for attempt in () if error is None or session.out.json else error.attempts:
        session.out.talk(f"  {attempt.provider}: {attempt.cause}: {attempt.message}")
    return code
