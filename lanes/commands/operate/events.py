"""``lanes events [KEY]``: the journal."""

from typing import Any

import click

from lanes.commands.common.each import nothing_fits
from lanes.commands.common.session import Session
from lanes.commands.common.verbs import command_for, pages
from lanes.commands.output.printing import Output
from lanes.commands.output.tables import print_event, print_events
from lanes.drivers.driver import Driver
from lanes.records import Event
from lanes.verbs.paging import PAGE
from lanes.verbs.system import events

#: How long one wait for the next event lasts, before it is checked whether the output still has a reader.
WAIT_S = 0.5


@command_for(events)
@click.option("--follow", is_flag=True, help="Continue with each new event, until Ctrl-C; as JSON, one per line.")
def command(session: Session, /, key: str | None, limit: int | None, follow: bool, **params: Any) -> None:
    out = session.out
    params |= {"key": key, "limit": out.limit(limit)}
    with session.desk() as desk:
        if follow:
            follow_journal(out, desk, params)
            return
        out.pages(
            pages(desk, events, params),
            lambda page, titles: print_events(out, page, with_key=key is None, titles=titles),
            lambda: nothing_fits(desk, params["filter_"], "no such event"),
        )


def follow_journal(out: Output, desk: Driver, params: dict[str, Any]) -> None:
    """Print the journal page by page, then each new event, until the output has no reader any more."""
    newest = desk.call(events, limit=1)
    last = newest[-1].id if newest else 0
    found = desk.call(events, **(params if params["limit"] is not None else params | {"after": 0, "limit": PAGE}))
    while True:
        for event in found:
            _print_followed(out, event, with_key=params["key"] is None)
        out.flush()
        more = len(found) == PAGE
        if found:
            last = found[-1].id if more else max(last, found[-1].id)
        while out.has_reader and not more and not desk.changed(WAIT_S):
            pass
        if not out.has_reader:
            return
        found = desk.call(events, **{**params, "after": last, "since": None, "limit": PAGE})


def _print_followed(out: Output, event: Event, *, with_key: bool) -> None:
    if out.json:
        out.data(event, one_line=True)
    else:
        print_event(out, event, with_key=with_key)
