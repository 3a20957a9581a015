"""The checks of owners: which are alive, dead or silent, whether their configurations and clocks agree, and whether
the gateways answer."""

import contextlib
import http.client
import json
import socket
from pathlib import Path
from urllib.parse import urlsplit

from lanes.base.errors import ConfigError
from lanes.base.terminal import clean
from lanes.context import Context
from lanes.doctor.checks import Check, ok, warning
from lanes.host.holder import holder_of
from lanes.host.identity import Identity, ProcessSighting, evidence, is_gone, is_here, look, this_process
from lanes.records import Liveness
from lanes.text import ages
from lanes.text.spans import span
from lanes.text.timestamps import moment
from lanes_storage import reads
from lanes_storage.clock import Now
from lanes_storage.interface import Reader
from lanes_storage.records import OwnerRow

#: How far two clocks may differ before it is reported.
SKEW_MS = 5_000
#: How long a gateway may take to answer a health check; ``/readyz`` takes 2 s where nothing can be stored.
ANSWER_S = 5.0
AWAY = "in another container or on another host"


def check_gateways(reader: Reader, ctx: Context) -> list[Check]:
    """The checks of the owners' rows."""
    owners, now, me = reader.read(reads.owners()), ctx.now(), this_process()
    living = [*filter(Liveness(now).lives, owners)]
    return [*_owners(owners, now, me), *_configurations(living), *_clocks(owners, now), *_drains(living)]


def check_port(reader: Reader, ctx: Context) -> list[Check]:
    """Whether the gateways of this host answer; without one, whether the configured port is free."""
    me = this_process()
    serving = [owner for owner in reader.read(reads.owners()) if owner.url and not is_gone(owner, me)]
    mine = [owner for owner in serving if is_here(owner, me)]
    if mine:
        return [_answer(owner, me) for owner in mine]
    try:
        host, port = ctx.listens()
    except ConfigError:  # another check reports that
        return []
    if port == 0:
        return []
    if _is_in_use(host, port):
        fix = "end what listens there, or choose another port: gateway.port, LANES_GATEWAY_PORT, --port"
        holder, lives = holder_of(port), Liveness(ctx.now()).lives
        elsewhere = [owner for owner in serving if urlsplit(owner.url or "").port == port and lives(owner)]
        if elsewhere:  # in a container that shares the network of this host, or publishes its port
            by = "" if holder is None else f", by {holder}"
            message = f"{host}:{port} is in use{by}: gateway {elsewhere[0].id} listens on that port, {AWAY}"
            return [ok("port", message)]
        by = "" if holder is None else f", but by {holder}"
        return [warning("port", f"{host}:{port} is in use, and not by a gateway of this database{by}", fix)]
    return [ok("port", f"{host}:{port} is free")]


def _owners(owners: list[OwnerRow], now: Now, me: Identity) -> list[Check]:
    found = []
    for owner in owners:
        subject = f"{owner.kind} {owner.id} ({evidence(owner, me)}, {owner.held} held)"
        if is_gone(owner, me):
            fix = "start a gateway, or run `lanes reconcile`: both take its lanes back at once"
            found.append(warning("owners", f"{subject} is dead", fix))
        elif look(owner, me) is ProcessSighting.STOPPED:
            message = f"{owner.kind} {owner.id} ({owner.held} held): {evidence(owner, me)}"
            fix = f"do that, or end it (`kill -9 {owner.pid}`): then `lanes reconcile` takes its lanes back at once"
            found.append(warning("owners", message, fix))
        elif ages.beat_ms(owner, now) >= owner.stale_after_ms:
            end = "its container" if owner.pid == 1 else f"it (`kill -9 {owner.pid}` on {owner.host})"
            fix = f"if it hangs, end {end}; `lanes reconcile --wait` watches it"
            found.append(warning("owners", f"{subject} has been silent for {span(ages.beat_ms(owner, now))}", fix))
    if found:
        return found
    return [ok("owners", f"{len(owners)} alive" if owners else "no gateway lives")]


def _configurations(living: list[OwnerRow]) -> list[Check]:
    gateways = [owner for owner in living if owner.kind == "gateway"]
    by_fingerprint = {owner.fingerprint: owner for owner in gateways}
    if len(by_fingerprint) > 1:
        named = ", ".join(f"gateway {o.id} on {o.host} ({o.fingerprint})" for o in gateways)
        fix = "give them one file: `lanes config --json` on each host shows what differs"
        return [warning("configuration", f"living gateways have different configurations: {named}", fix)]
    return [ok("configuration", "living gateways have one configuration" if gateways else "no gateway to compare")]


def _clocks(owners: list[OwnerRow], now: Now) -> list[Check]:
    """Find clocks of other hosts that are ahead (a heartbeat from the future), and a wall clock of this host that was
    set (its distance to the boot clock has changed since the last heartbeat)."""
    found = []
    fix = "keep the clocks of all hosts in step (NTP); runs are not judged by them, but pauses and parks end by them"
    for owner in owners:
        if owner.boot_id == now.boot_id:
            offset = (now.wall - now.boot) - (owner.heartbeat_at - owner.heartbeat_boot)
            message = f"the wall clock of this host was set by {span(abs(offset))} since owner {owner.id} last beat"
        else:
            offset = owner.heartbeat_at - now.wall
            message = f"the clock of {owner.host} is ahead of this one by {span(offset)}"
            offset = max(0, offset)
        if abs(offset) > SKEW_MS:
            found.append(warning("clocks", message, fix))
    return found or [ok("clocks", "no clock is found to be off")]


def _drains(owners: list[OwnerRow]) -> list[Check]:
    fix = "it claims nothing more; stop it when `lanes status` shows nothing held, and start it again"
    found = []
    for o in owners:
        if o.drain_by is not None:
            until = "it ends" if o.drain_until is None else moment(o.drain_until)
            message = f"{o.kind} {o.id} on {o.host} is draining, by {o.drain_by}, until {until}"
            found.append(warning("draining", message, fix))
    return found or [ok("draining", "no gateway is draining")]


def _answer(owner: OwnerRow, me: Identity) -> Check:
    where = f"gateway {owner.id} at {owner.url}"
    if look(owner, me) is ProcessSighting.STOPPED:
        return warning("port", f"{where} cannot answer: it is stopped", f"let it go on: `kill -CONT {owner.pid}`")
    if _has_another_network(owner.pid):
        return ok("port", f"{where} cannot be asked from here: it is in another network (`nsenter -t {owner.pid} -n`)")
    status, _ = _get(owner.url or "", "/healthz")
    if status != 200:
        problem = "does not answer" if status is None else f"says that it is not well ({status})"
        fix = f"its lanes are still reconciled; if it hangs, end it (`kill -9 {owner.pid}`) and start it again"
        return warning("port", f"{where} {problem}", fix)
    status, state = _get(owner.url or "", "/readyz")
    if status == 200 or owner.drain_by is not None:  # a drain is another check
        return ok("port", f"{where} answers")
    fix = "see its log for the reason, and the kernel's log for disk errors (`dmesg`)"
    return warning("port", f"{where} answers, and is not ready: {state}", fix)


def _has_another_network(pid: int) -> bool:
    """Whether a process has another network, as in a service with a private one; False where that is not visible."""
    try:
        return Path(f"/proc/{pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()
    except OSError:
        return False


def _get(url: str, path: str) -> tuple[int | None, str]:
    """The HTTP status of an answer, None where there is none, and the status word in it."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=ANSWER_S)
    with contextlib.closing(connection):
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, clean(str(json.load(answer)["status"]))
        except (OSError, http.client.HTTPException):
            return None, "it does not answer"
        except (ValueError, KeyError, TypeError):  # something else has its port
            return answer.status, "it does not say why"


def _is_in_use(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False
