"""``lanes abort KEY…``: free lanes, with the gateway alive, hung or dead."""

from typing import Any

import click

from lanes.commands.common.each import confirmed, refuse_unless_one
from lanes.commands.common.exits import Exit, fail
from lanes.commands.common.options import keys_argument
from lanes.commands.common.session import Session
from lanes.commands.common.verbs import command_for, options_of
from lanes.commands.operate.aborting import AbortPlan, carry_out, plan_for, preview
from lanes.commands.output.printing import Output, say
from lanes.explain.phrases import counted
from lanes.verbs.control import abort
from lanes.verbs.queries import list_

#: The options that choose lanes, as `lanes list` has them.
WHICH = ("filter_", "match", "held_for")

#: How many lanes are named with the question whether to abort them.
NAMED = 20


@command_for(abort, "key")
@keys_argument
@options_of(list_, only=WHICH)
@click.option("--all", "every", is_flag=True, help="Every lane that has what --scope names: a run by default.")
@click.option("--no-wait", is_flag=True, help="Request it, and do not wait for the outcome.")
@click.option("--dry-run", is_flag=True, help="Show what would be aborted, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask; needed for more than one lane without a terminal.")
def command(session: Session, /, keys: tuple[str, ...], **params: Any) -> int:
    _check(keys, params)
    which = {name: params[name] for name in WHICH}
    how = {name: params[name] for name in abort.by_name if name in params and name != "epoch"}
    with session.desk() as desk:
        sought = {"epoch": params["epoch"], "source": params["source"], "look": params["dry_run"]}
        plan = plan_for(desk, keys, which, params["scope"], **sought)
        if params["dry_run"]:
            return preview(session.out, desk, plan, params["filter_"])
        if len(plan.targets) > 1 and not params["yes"] and not _confirmed(session.out, plan):
            say("nothing was aborted")
            return Exit.FAILED
        return carry_out(session.out, desk, plan, params["filter_"], {**how, "wait": not params["no_wait"]})


def _check(keys: tuple[str, ...], params: dict[str, Any]) -> None:
    """Refuse options that contradict each other."""
    chooses = params["every"] or any(params[name] is not None for name in WHICH)
    if bool(keys) == chooses:
        both = ", not both" if keys else ""
        fail(f"name at least one KEY, or choose lanes with --filter, --match, --held-for or --all{both}")
    refuse_unless_one(keys, params["epoch"])
    if params["force"] and params["grace"] is not None:
        fail("--force means --grace 0s: give one of --force and --grace")
    if params["no_wait"] and params["timeout"] is not None:
        fail("give one of --no-wait and --timeout")


def _confirmed(out: Output, plan: AbortPlan) -> bool:
    more = len(plan.targets) - NAMED
    named = [*plan.described()[:NAMED], *([f"and {counted(more, 'more lane')}"] if more > 0 else [])]
    return confirmed(out, f"abort {counted(len(plan.targets), 'lane')}", named=named)
