"""``lanes why`` for a lane of another program's gateway: what holds it, the evidence, and what can be done."""

from lanes.base.terminal import clean
from lanes.records import Liveness
from lanes.text.naming import on_lane
from lanes.text.spans import ago, span
from lanes.watch.freeing import possible_loss
from lanes_storage.law import SourceState, WatchedState
from lanes_storage.records import OwnerRow, SightingRow


def why_watched(row: SightingRow, watcher: OwnerRow | None, liveness: Liveness) -> str:
    """The paragraph. ``watcher``: the owner that watches or last watched the gateway."""
    seen, name = row.seen, f"Lane {clean(row.address)}"
    sentences = [_state(row, name, liveness)]
    if seen.held:
        sentences += _held(row, liveness)
    elif seen.outcome:
        sentences.append(f"Its last run ended as “{clean(seen.outcome)}”.")
    sentences += _sources(row, watcher, liveness)
    if row.freeing:
        sentences.append("A request to free it is under way.")
    elif seen.held and row.source.state is SourceState.CONNECTED:
        sentences.append(f"To free it now: `{on_lane('abort', row.address, f'--epoch {row.epoch}')}`.")
        if loss := possible_loss(seen.waiting):
            sentences.append(f"{loss[0].upper()}{loss[1:]}.")
    return " ".join(sentences)


def _state(row: SightingRow, name: str, liveness: Liveness) -> str:
    gateway = f"in the {row.source.kind} gateway at {clean(row.source.url)}"
    held = liveness.since(row.seen.since)
    for_so_long = f" for {span(held)}" if held is not None and row.seen.held else ""
    match row.seen.state:
        case WatchedState.RUNNING:
            return f"{name}, {gateway}, is held{for_so_long}."
        case WatchedState.GHOST:
            return f"{name}, {gateway}, is held{for_so_long} by a ghost, a run that its gateway does not count."
        case WatchedState.STALE:
            return f"{name}, {gateway}, is not held; its gateway's row still says that it runs."
        case WatchedState.IDLE:
            return f"{name}, {gateway}, is not held."


def _held(row: SightingRow, liveness: Liveness) -> list[str]:
    seen = row.seen
    runs = f"Run {', '.join(map(clean, seen.runs))} holds it." if seen.runs else "Which run holds it is not known."
    quiet = liveness.since(seen.last_sign)
    sign = "No sign of life of it was seen." if quiet is None else f"Its last sign of life was {ago(quiet)}."
    waits = "1 message waits" if seen.waiting == 1 else f"{seen.waiting} messages wait"
    return [runs, sign, *([f"{waits} behind it."] if seen.waiting else [])]


def _sources(row: SightingRow, watcher: OwnerRow | None, liveness: Liveness) -> list[str]:
    source, seen = row.source, row.seen
    sentences = []
    if row.from_files:
        sentences.append("This was read from the files of the gateway, which does not answer.")
    if source.state is not SourceState.CONNECTED:
        why = clean(source.why or "it has not been reached yet")
        fix = f" Next: {clean(source.fix)}." if source.fix else ""
        state = f"{source.state}, for {span(liveness.since(source.changed_at) or 0)}"
        sentences.append(f"Its gateway is {state}: {why}.{fix} Nothing can be freed there meanwhile.")
        if seen.held and not row.from_files:
            sentences.append("Its run is shown as last seen; if the process has ended, so has the run.")
    if watcher is None or not liveness.lives(watcher):
        sentences.append(
            f"Nobody watches it now; this is from {ago(liveness.since(row.changed_at) or 0)}: run `lanes watch`."
        )
    return sentences
