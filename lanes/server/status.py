"""The native routes about the whole house: status, drain, reconcile, doctor."""

from starlette.types import ASGIApp

from lanes import operations
from lanes.records import Check, Finding
from lanes.server.answer import Answer
from lanes.server.call import Call
from lanes.server.fields import Fields


async def get_status(call: Call) -> ASGIApp:
    """Gateways, counts, cooldowns, ghosts: the database at a glance."""
    return Answer(await call.searching(call.desk.status()))


async def get_gateways(call: Call) -> ASGIApp:
    """Gateways, and whether they live."""
    if not call.query.get("id"):
        return Answer((await call.searching(call.desk.status())).gateways)
    return Answer(await call.desk.perform(operations.gateways(call.ids("id"))))


async def get_drain(call: Call) -> ASGIApp:
    """The rehearsal: what a drain would cut now, and what becomes of it."""
    return Answer(await call.desk.perform(operations.drain_rehearsal(call.id("gateway"))))


async def post_drain(call: Call) -> ASGIApp:
    """Let one gateway, or all, claim nothing more, and cut what still runs when the time is over."""
    fields = Fields(await call.body())
    gateway, patience_ms = fields.id("gateway"), fields.span("for")
    fields.done()
    wait_ms = call.house.config.clocks.drain_timeout_ms if patience_ms is None else patience_ms
    until = call.desk.clock().wall + wait_ms
    return Answer(await call.desk.perform(operations.drain(gateway, by=call.actor, until=until)), 202)


async def post_reconcile(call: Call) -> ASGIApp:
    """One pass of the reconciler, with the evidence of each decision; ``dry_run`` changes nothing."""
    fields = Fields(await call.body())
    dry_run = fields.flag("dry_run")
    fields.done()
    return Answer(await call.while_connected(call.house.at_length(lambda: _reconcile(call, dry_run))))


def _reconcile(call: Call, dry_run: bool) -> list[Finding]:
    from lanes.engine.observer import Observer
    from lanes.engine.one_pass import carry_out

    store, clock = call.desk.store, call.desk.clock
    reader = store.reader()
    try:
        interval_ms = call.house.config.clocks.reconcile_interval_ms
        observer = Observer(reader, store.write_blocking, clock, by=call.actor, interval_ms=interval_ms)
        return carry_out(observer, observer.look(), reader, clock, dry_run=dry_run)
    finally:
        reader.close()


async def get_doctor(call: Call) -> ASGIApp:
    """What is wrong with the database and its house, with the evidence and what to do. Changes nothing."""
    return Answer(await call.while_connected(call.house.at_length(lambda: _examine(call))))


def _examine(call: Call) -> list[Check]:
    from lanes.doctor import examine
    from lanes_storage.sqlite import path_of

    gateway = call.house.config.gateway
    return examine(path_of(call.desk.store.name), call.desk.clock, listens=(gateway.host, gateway.port))
