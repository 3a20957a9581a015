"""``lanes events [KEY]``: the journal."""

import click

from lanes.commands.common.desks import AnyDesk
from lanes.commands.common.options import DURATION, KEY, FilterType
from lanes.commands.common.output import Output
from lanes.commands.common.session import Session, pass_session
from lanes.commands.common.tables import print_event, print_events
from lanes.records import Event
from lanes_storage.law import EventType, is_cause
from lanes_storage.records import LaneFilter, Subject

#: How many events a terminal shows.
ON_A_TERMINAL = 50
#: How long one wait for the next event lasts, before it is asked whether anybody still reads.
WAIT_S = 0.5


@click.command(
    "events",
    epilog="""\b
    Examples:
      lanes events agent:main:telegram:42 --since 1h
      lanes events --type abort --json
      lanes events --follow --since 0s      only what happens from now on
    """,
)
@click.argument("key", type=KEY, required=False)
@click.option("--since", type=DURATION, metavar="D", help="Events of the last so long, such as 1h.")
@click.option("--type", "type_", metavar="T", help="Events of this type, such as claim, fail or notice.")
@click.option(
    "--filter",
    "chosen",
    type=FilterType(Subject.EVENT),
    metavar="FILTER",
    help="The events that fit, such as 'agent:* actor:alice since:1h'.",
)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="The last so many. [default: 50 on a terminal]")
@click.option("--follow", is_flag=True, help="Go on with each new event, until Ctrl-C; as JSON, one a line.")
@click.pass_context
@pass_session
def command(
    session: Session,
    ctx: click.Context,
    key: str | None,
    since: int | None,
    type_: str | None,
    chosen: LaneFilter | None,
    limit: int | None,
    follow: bool,
) -> None:
    """The journal: what changed, by whom, and why.

    The oldest comes first.
    """
    out = session.out
    if type_ is not None and not is_cause(type_):
        ctx.fail(f"a type of event is a word such as {', '.join(EventType)}")
    if limit is None and out.tty and not out.json:
        limit = ON_A_TERMINAL
    with session.desk() as desk:
        if follow:
            _follow(out, desk, key, since, type_, chosen, limit)
            return
        found = list(desk.events(key=key, since_ms=since, type_=type_, limit=limit, chosen=chosen))
    if out.json:
        out.data(found)
    elif found:
        print_events(out, found, with_key=key is None)
    elif type_ is not None and type_ not in set(EventType):
        out.talk(f"no such event; this version writes {', '.join(EventType)}")
    else:
        out.talk("no such event")


def _follow(
    out: Output,
    desk: AnyDesk,
    key: str | None,
    since: int | None,
    type_: str | None,
    chosen: LaneFilter | None,
    limit: int | None,
) -> None:
    """Print what there is, then each new event, until nobody reads any more."""
    newest = list(desk.events(key=None, since_ms=None, type_=None, limit=1))
    last = newest[-1].id if newest else 0
    found = list(desk.events(key=key, since_ms=since, type_=type_, limit=limit, chosen=chosen))
    while True:
        for event in found:
            _print_followed(out, event, with_key=key is None)
        out.flush()
        if found:
            last = max(last, found[-1].id)
        while out.heard and not desk.changed(WAIT_S):
            pass
        if not out.heard:
            return
        found = list(desk.events(key=key, after=last, since_ms=None, type_=type_, limit=None, chosen=chosen))


def _print_followed(out: Output, event: Event, *, with_key: bool) -> None:
    if out.json:
        out.data(event, one_line=True)
    else:
        print_event(out, event, with_key=with_key)
