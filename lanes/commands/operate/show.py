"""``lanes show KEY``: one lane."""

from lanes.commands.common.verbs import query_command
from lanes.commands.output.printing import Output
from lanes.commands.output.tables import print_events, print_messages, print_processes
from lanes.commands.output.words import attempt_text, lane_state, took
from lanes.explain.phrases import clock_time, failed, failed_over
from lanes.records import Lane, LaneDetail, Message, Run
from lanes.text.amounts import dollars
from lanes.verbs.queries import show

#: How many of the last messages and events are printed; JSON has all that were read.
SHOWN = 10


def _print(out: Output, detail: LaneDetail) -> None:
    lane = detail.lane
    out.line("lane      ", lane.key)
    out.line("state     ", lane_state(lane), f", epoch {lane.epoch}")
    if lane.seen is not None:
        runs = f", run {', '.join(lane.seen.runs)}" if lane.seen.runs else ""
        since = "" if lane.seen.gateway_since is None else f" since {clock_time(lane.seen.gateway_since)}"
        out.line("there     ", f"{lane.seen.state}{runs}; the gateway of {lane.source} is {lane.seen.gateway}{since}")
    if detail.run is not None:
        _print_run(out, lane, detail.run)
    if lane.paused:
        until = f" until {clock_time(lane.paused.until)}" if lane.paused.until else ""
        out.line("paused    ", f"{lane.paused.reason}{until}")
    answered = next((message for message in detail.messages if message.provider is not None), None)
    if answered is not None and answered.provider is not None:
        provider = failed_over(answered) or answered.provider
        model = f", model {answered.model}" if answered.model else ""
        out.line("answered  ", f"message {answered.id} by {provider}{model}{_tokens(answered)}")
    if lane.last_error:
        error = lane.last_error
        out.line("error     ", f"{failed(error)}, at {clock_time(error.at)}")
    out.line()
    out.paragraph(detail.why)
    if detail.processes:
        out.line()
        out.line("processes:")
        print_processes(out, detail.processes)
    waiting = [message for message in reversed(detail.messages) if message.state == "queued"]
    ended = [message for message in detail.messages if message.state != "queued"]
    for title, messages in (("waiting", waiting), ("messages, the newest first", ended)):
        if messages:
            out.line()
            out.line(f"{title}:")
            print_messages(out, messages[:SHOWN])
    if detail.events:
        out.line()
        out.line("last events:")
        print_events(out, detail.events[-SHOWN:], with_key=False)


def _tokens(message: Message) -> str:
    total = (message.usage or {}).get("total_tokens")
    cost = "" if message.cost_usd is None else f", {dollars(round(message.cost_usd * 1e6))}"
    return (f", {total} tokens" if isinstance(total, int) else "") + cost


def _print_run(out: Output, lane: Lane, run: Run) -> None:
    out.line("run       ", f"{run.id} of runner {run.runner}, message {run.message_id}, held {took(lane.held_ms)}")
    owner = lane.owner
    if owner is None:
        out.line("owner     ", f"{run.owner}, which has ended")
    else:
        alive = "alive" if owner.alive else "dead or silent"
        where = f"{owner.id}, pid {owner.pid} on {owner.host}"
        out.line("owner     ", f"{where}, {alive}, last heartbeat {took(lane.heartbeat_age_ms)} ago")
    out.line("progress  ", f"{lane.progress}, {took(lane.progress_age_ms)} ago")
    run_limit, stall_limit = took(run.run_timeout_ms) or "off", took(run.stall_timeout_ms) or "off"
    out.line("limits    ", f"run_timeout {run_limit}, stall_timeout {stall_limit}")
    if lane.acts_next is not None and lane.acts_next.provider is not None:
        out.line("provider  ", attempt_text(lane.acts_next))
    if run.abort is not None:
        abort = run.abort
        reason = f": {abort.reason}" if abort.reason else ""
        out.line("abort     ", f"requested by {abort.actor} at {clock_time(abort.at)}{reason}")


command = query_command(show, _print)
