"""The check of sources: other programs' gateways that cannot be watched, or that nobody watches."""

from lanes.base.errors import ConfigError
from lanes.base.terminal import clean
from lanes.context import Context
from lanes.doctor.checks import Check, QuotingMessage, ok, warning
from lanes.records import Liveness
from lanes.records.system import NOT_WATCHED
from lanes.text.spans import span
from lanes_storage import reads
from lanes_storage.interface import Reader
from lanes_storage.law import SourceState
from lanes_storage.records import SourceRow


def check_sources(reader: Reader, ctx: Context) -> list[Check]:
    """One check for each gateway that is watched, or should be."""
    liveness = Liveness(ctx.now())
    owners = {owner.id: owner for owner in reader.read(reads.owners())}
    rows = reader.read(reads.sources())
    found = []
    for row in rows:
        watcher = owners.get(row.owner_id)
        lives = watcher is not None and liveness.lives(watcher)
        found.append(_checked(row, liveness) if lives else _unwatched(row.name))
    known = {row.name for row in rows}
    found += [_unwatched(name) for name in _configured(ctx) if name not in known]
    return found or [ok("sources", "no other program's gateway is watched")]


def _configured(ctx: Context) -> list[str]:
    try:
        config = ctx.configured()
    except ConfigError:  # another check reports that
        return []
    return [] if config is None else [watch.name for watch in config.watches]


def _unwatched(name: str) -> Check:
    return warning("sources", f"nobody watches {clean(name)}: what is shown of its sessions is old", NOT_WATCHED)


def _checked(row: SourceRow, liveness: Liveness) -> Check:
    name = f"{clean(row.name)} ({clean(row.kind)}{f' {clean(row.version)}' if row.version else ''})"
    for_so_long = span(liveness.since(row.changed_at) or 0)
    if row.state is SourceState.CONNECTED:
        return ok("sources", f"{name} has been watched for {for_so_long}")
    bare = f"{name} has been {row.state} for {for_so_long}"
    fix = clean(row.fix or "lanes keeps trying; until then nothing can be freed there")
    return warning("sources", QuotingMessage(f"{bare}: {clean(row.why or '')}", bare), fix)
