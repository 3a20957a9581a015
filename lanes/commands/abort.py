"""``lanes abort KEY…``: free lanes, with the gateway alive, hung or dead."""

from typing import Any

import click

from lanes.commands.common.aborting import Plan, carry_out, plan_for, preview
from lanes.commands.common.actor import actor
from lanes.commands.common.exits import Exit
from lanes.commands.common.local import Order
from lanes.commands.common.options import DURATION, filter_option, keys_argument, match_option, reason_option
from lanes.commands.common.output import Output, say
from lanes.commands.common.session import Session, pass_session
from lanes.commands.common.words import counted
from lanes.filters import narrowed
from lanes_storage.law import Scope
from lanes_storage.records import LaneFilter

#: So many lanes are named before the question whether to abort them.
NAMED = 20


@click.command(
    "abort",
    epilog="""\b
    Examples:
      lanes abort agent:main:telegram:42 --reason stuck
      lanes abort --held-for 10m --dry-run         what would be aborted
      lanes abort --filter 'silent:>1m provider:codex' --yes
      lanes abort --match 'agent:*:feishu:*' --scope both --yes
    """,
)
@keys_argument
@filter_option
@match_option
@click.option("--held-for", type=DURATION, metavar="D", help="The lanes held for at least so long, such as 10m.")
@click.option("--all", "every", is_flag=True, help="Every lane that is held.")
@click.option(
    "--scope",
    type=click.Choice([s.value for s in Scope]),
    default=Scope.RUN.value,
    show_default=True,
    help="The run, the messages that wait, or both.",
)
@reason_option
@click.option("--grace", type=DURATION, metavar="D", help="Release by force after so long. [default: abort_grace]")
@click.option("--force", is_flag=True, help="Release by force at once.")
@click.option("--epoch", type=click.IntRange(min=0), metavar="N", help="Only if the lane still stands at this epoch.")
@click.option("--no-wait", is_flag=True, help="Request it, and do not wait for the outcome.")
@click.option("--timeout", type=DURATION, metavar="D", help="Wait for at most so long. [default: until it is proven]")
@click.option("--dry-run", is_flag=True, help="Show what would be aborted, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask; needed for more than one lane without a terminal.")
@click.pass_context
@pass_session
def command(session: Session, ctx: click.Context, /, keys: tuple[str, ...], **given: Any) -> int:
    """Stop what lanes run, and free them.

    The owner is asked to stop the run; where it does not in its grace, or is dead, the lane is released by force.
    What waits is kept, unless --scope says otherwise.

    Exit codes: 0 freed, 3 no such lane, 4 nothing to abort, 5 not confirmed in time, 69 database not reachable.
    """
    _check(ctx, keys, given)
    order = Order(
        actor=actor(),
        reason=given["reason"],
        scope=Scope(given["scope"]),
        grace_ms=given["grace"],
        force=given["force"],
        wait=not given["no_wait"],
        timeout_ms=given["timeout"],
    )
    chosen = narrowed(given["chosen"] or LaneFilter(), match=given["match"], held_for_ms=given["held_for"])
    with session.desk() as desk:
        plan = plan_for(desk, keys, chosen, order.scope, epoch=given["epoch"], look=given["dry_run"])
        if given["dry_run"]:
            return preview(session.out, plan)
        if len(plan.targets) > 1 and not given["yes"] and not _confirmed(ctx, session.out, plan):
            say("nothing was aborted")
            return Exit.FAILED
        return carry_out(session.out, desk, plan, order)


def _check(ctx: click.Context, keys: tuple[str, ...], given: dict[str, Any]) -> None:
    """Refuse what cannot be meant."""
    chooses = given["every"] or any(given[name] is not None for name in ("chosen", "match", "held_for"))
    if bool(keys) == chooses:
        both = ", not both" if keys else ""
        ctx.fail(f"name at least one KEY, or choose lanes with --filter, --match, --held-for or --all{both}")
    if given["epoch"] is not None and len(set(keys)) != 1:
        ctx.fail("--epoch is for exactly one KEY")
    if given["force"] and given["grace"] is not None:
        ctx.fail("--force is a grace of nothing: give one of --force and --grace")
    if given["no_wait"] and given["timeout"] is not None:
        ctx.fail("give one of --no-wait and --timeout")


def _confirmed(ctx: click.Context, out: Output, plan: Plan) -> bool:
    """Ask the person at the terminal; without one, --yes is the answer."""
    count = counted(len(plan.targets), "lane")
    if not out.asks:
        ctx.fail(f"this would abort {count}: look with --dry-run, then confirm with --yes")
    for line in plan.described()[:NAMED]:
        say(f"  {line}")
    if len(plan.targets) > NAMED:
        say(f"  and {counted(len(plan.targets) - NAMED, 'more lane')}")
    return click.confirm(f"Abort {count}?", err=True)
