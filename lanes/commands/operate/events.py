"""``lanes events [KEY]``: the journal."""

from collections.abc import Mapping
from typing import Any

import click

from lanes.commands.common.options import KEY
from lanes.commands.common.session import Session, pass_session
from lanes.commands.common.verbs import options_of
from lanes.commands.output.printing import Output
from lanes.commands.output.tables import print_event, print_events
from lanes.drivers.driver import Driver
from lanes.records import Event
from lanes.verbs.system import events
from lanes_storage.law import EventType

#: How many events a terminal shows.
ON_A_TERMINAL = 50
#: How long one wait for the next event lasts, before it is asked whether anybody still reads.
WAIT_S = 0.5


@click.command(
    "events",
    help=events.doc,
    epilog="""\b
    Examples:
      lanes events agent:main:telegram:42 --since 1h
      lanes events --type abort --json
      lanes events --follow --since 0s      only what happens from now on
    """,
)
@click.argument("key", type=KEY, required=False)
@options_of(events)
@click.option("--follow", is_flag=True, help="Go on with each new event, until Ctrl-C; as JSON, one a line.")
@pass_session
def command(session: Session, /, key: str | None, limit: int | None, follow: bool, **given: Any) -> None:
    out = session.out
    if limit is None and out.tty and not out.json:
        limit = ON_A_TERMINAL
    with session.desk() as desk:
        if follow:
            _follow(out, desk, key, limit, given)
            return
        found = desk.call(events, key=key, limit=limit, **given)
    if out.json:
        out.data(found)
    elif found:
        print_events(out, found, with_key=key is None)
    elif (type_ := given.get("type")) is not None and type_ not in set(EventType):
        out.talk(f"no such event; this version writes {', '.join(EventType)}")
    else:
        out.talk("no such event")


def _follow(out: Output, desk: Driver, key: str | None, limit: int | None, given: Mapping[str, Any]) -> None:
    """Print what there is, then each new event, until nobody reads any more."""
    newest = desk.call(events, limit=1)
    last = newest[-1].id if newest else 0
    found = desk.call(events, key=key, limit=limit, **given)
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
        found = desk.call(events, key=key, after=last, **{**given, "since": None})


def _print_followed(out: Output, event: Event, *, with_key: bool) -> None:
    if out.json:
        out.data(event, one_line=True)
    else:
        print_event(out, event, with_key=with_key)
