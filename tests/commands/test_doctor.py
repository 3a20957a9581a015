"""lanes doctor: what it finds in a staged database, how it exits, and that it changes nothing."""

import contextlib
import hashlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest

from lanes.commands.serve import drain
from lanes.context import Context
from lanes.doctor import examine, gateways
from lanes.doctor.providers import check_providers
from lanes.host.identity import ProcessSighting, identity_of, look, this_process
from lanes_storage import doors
from lanes_storage.clock import system_clock
from lanes_storage.interface import Query
from lanes_storage.law import Cause
from lanes_storage.records import RunFailure, Ticket
from lanes_storage.sqlite import inspect
from lanes_storage.sqlite.inspect import has_reset_fault
from lanes_storage.sqlite.store import SqliteReader
from tests.commands.conftest import Call, Called
from tests.kit.filesystems import failing_disk, needed_disk
from tests.kit.forms import are_forms
from tests.kit.ports import kept_port
from tests.kit.processes import PATIENCE_S, House, eventually
from tests.kit.stage import TERMS, Stage

T = TypeVar("T")


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A port that nobody listens on, as the one that a gateway here would take."""
    with kept_port() as number:
        monkeypatch.setenv("LANES_GATEWAY_PORT", str(number))
        yield number


def levels(called: Called) -> dict[str, str]:
    """The worst level of each check."""
    order = ["ok", "warning", "broken"]
    found: dict[str, str] = {}
    for check in called.json:
        found[check["check"]] = max(found.get(check["check"], "ok"), check["level"], key=order.index)
    return found


def wrong(called: Called) -> dict[str, Any]:
    return {check["check"]: check for check in called.json if check["level"] != "ok"}


def test_F1111_runs_that_the_host_cannot_start_are_a_warning(stage: Stage, lanes: Call) -> None:
    owner = stage.owner()
    stage.send("a", "text")
    failure = RunFailure(Cause.read("no_folder"), "the working folder cannot be made: No space left on device")
    for _ in range(2):
        ticket = stage.claim("a", owner).ticket
        stage.store.write(doors.park(ticket, None, failure, system_clock(), by="tester"))
    found = wrong(lanes("doctor", "--json"))["shortages"]
    assert found["level"] == "warning"
    assert "(no_folder): 2, the last " in found["message"]
    assert "free space" in found["fix"]


def test_F561_a_provider_that_fails_is_a_warning_until_it_answers_or_its_gateway_is_gone(
    stage: Stage, lanes: Call
) -> None:
    def note(provider: str, cause: str | None) -> None:
        detail = {} if cause is None else {"message": "no content within 45s"}
        stage.store.write(
            lambda tx: doors.note_provider(tx, provider, cause, system_clock(), by="tester", detail=detail)
        )

    note("old", "auth")  # told by a gateway that is gone
    stage.dead_owner()
    stage.owner()
    assert "providers" not in wrong(lanes("doctor", "--json"))
    note("main", "first_byte_timeout")
    note("other", "unreachable")
    note("other", None)
    found = [check for check in lanes("doctor", "--json").json if check["check"] == "providers"]
    assert [check["level"] for check in found] == ["warning"]
    assert "provider main has failed for" in found[0]["message"]
    assert "(first_byte_timeout: no content within 45s)" in found[0]["message"]
    note("main", None)
    assert "providers" not in wrong(lanes("doctor", "--json"))


def test_F734_a_provider_that_refuses_the_only_lane_is_a_warning(stage: Stage, lanes: Call) -> None:
    """Each refusal is that of its message, since no other lane got one: nothing cools."""
    stage.owner()
    stage.counted("main", 0, 0, auth=2)
    assert "providers" not in wrong(lanes("doctor", "--json")), "two may be those of a text"
    stage.counted("main", 0, 0, context_overflow=3)
    assert "providers" not in wrong(lanes("doctor", "--json")), "a text that is too long is no fault of the provider"
    stage.counted("main", 0, 0, auth=1, bad_request=1)
    found = wrong(lanes("doctor", "--json"))["providers"]["message"]
    assert found == "provider main has answered none of the 4 requests of the last hour (3 auth, 1 bad_request)"
    stage.counted("main", 1, 100)
    assert "providers" not in wrong(lanes("doctor", "--json"))


def test_a_drain_ends_with_its_gateway(stage: Stage, lanes: Call, port: int) -> None:
    living, dead, now = stage.owner(), stage.dead_owner(), system_clock()
    until = now.wall + 60_000
    for owner in (dead, living):
        stage.store.write(partial(doors.drain, owner=owner, now=now, by="alice", until=until))
    found = [check["message"] for check in lanes("doctor", "--json").json if check["check"] == "draining"]
    assert [message.split(" on ")[0] for message in found] == [f"gateway {living}"]
    assert lanes("status").out.count("draining by alice") == 1


def test_a_stopped_gateway_is_told_to_go_on_by_every_command(
    stage: Stage, lanes: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drain, "CUT_MS", 0)
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        stage.hold("k", stage.owner(identity_of(child.pid), url="http://127.0.0.1:1"))
        child.send_signal(signal.SIGSTOP)
        eventually(lambda: look(identity_of(child.pid), this_process()) is ProcessSighting.STOPPED, "the stop")
        cure = f"kill -CONT {child.pid}"
        stage.send("k", "waits")
        aborted = lanes("abort", "k", "--timeout", "10ms")
        assert aborted.code == 5
        assert "`lanes why k` says what it waits for" in aborted.out + aborted.err
        for command in (["why", "k"], ["status"], ["doctor"]):
            assert cure in lanes(*command).out
        waits = (["send", "k", "text"], 0), (["send", "k", "text", "--wait"], 69), (["drain", "--wait", "1ms"], 5)
        for command, code in waits:
            done = lanes(*command)
            assert (done.code, cure in done.err) == (code, True), done
        silent = "UPDATE owners SET heartbeat_boot = heartbeat_boot - 60000, heartbeat_at = heartbeat_at - 60000"
        stage.store.write(lambda tx: tx.run(silent, {}))
        status = lanes("status")
        assert (status.code, cure in status.err, "start one" in status.err) == (69, True, False)
        found = wrong(lanes("doctor", "--json"))
        assert (cure in found["gateway"]["fix"], "start one" in found["gateway"]["fix"]) == (True, False)
        assert "cannot answer: it is stopped" in found["port"]["message"]
    finally:
        child.kill()
        child.communicate()


def test_all_is_well(stage: Stage, lanes: Call, port: int) -> None:
    stage.complete(stage.hold("k", stage.owner()))
    seen = lanes("doctor", "--json")
    assert (seen.code, set(levels(seen).values())) == (0, {"ok"}), seen
    are_forms(seen.json, "Check")
    assert all(check["fix"] is None for check in seen.json)
    text = lanes("doctor")
    assert text.code == 0
    assert all(line.startswith("ok") for line in text.out.splitlines())
    assert text.err.endswith("all is well\n")


def test_what_is_a_warning_and_what_to_do(stage: Stage, lanes: Call, port: int) -> None:
    stage.hold("endless", stage.dead_owner(), "waits", terms=TERMS._replace(stall_timeout_ms=None))
    stage.fail(stage.hold("failed", stage.owner(kind="desk")))
    stage.path.chmod(0o644)
    seen = lanes("doctor", "--json")
    assert seen.code == 0, "warnings alone are no failure"
    found = wrong(seen)
    assert set(found) == {"permissions", "owners", "gateway", "limits", "dead_letters"}
    assert "is gone" in found["owners"]["message"]
    assert "lanes reconcile" in found["owners"]["fix"]
    assert found["permissions"]["fix"] == f"chmod 600 {stage.path}"
    text = lanes("doctor")
    assert text.out.count("→") == 5
    said = [line.split()[0] for line in text.out.splitlines() if not line.startswith(" ")]
    assert said == ["ok"] * (len(said) - 5) + ["warning"] * 5, "what is wrong stays on the screen"
    assert "nothing is broken; 5 warnings" in text.err


def test_a_silent_owner_and_one_that_drains(stage: Stage, lanes: Call, port: int) -> None:
    elsewhere = this_process()._replace(host="elsewhere", boot_id="another")
    silent = stage.owner(elsewhere, stale_after_ms=15_000)
    stage.store.write(lambda tx: tx.run("UPDATE owners SET heartbeat_at = heartbeat_at - 60000", {}))
    draining = stage.owner()
    stage.store.write(
        lambda tx: doors.drain(tx, draining, system_clock(), by="alice@here", until=system_clock().wall + 60_000)
    )
    found = wrong(lanes("doctor", "--json"))
    assert f"gateway {silent}" in found["owners"]["message"]
    assert "silent for 1m" in found["owners"]["message"]
    assert "by alice@here" in found["draining"]["message"]


def test_gateways_that_differ_and_clocks_that_are_off(stage: Stage, lanes: Call, port: int) -> None:
    stage.owner()
    other = stage.owner(this_process()._replace(host="elsewhere", boot_id="another"))
    now = system_clock()
    ahead = "UPDATE owners SET fingerprint = 'other', heartbeat_at = :at WHERE id = :id"
    stage.store.write(lambda tx: tx.run(ahead, {"at": now.wall + 90_000, "id": other}))
    found = wrong(lanes("doctor", "--json"))
    assert "different configurations" in found["configuration"]["message"]
    assert "clock of elsewhere is ahead of this one by 1m" in found["clocks"]["message"]


def test_a_clock_that_was_set(stage: Stage, lanes: Call, port: int) -> None:
    stage.owner()
    stage.send("k", "one", "two")
    stage.store.write(lambda tx: tx.run("UPDATE owners SET heartbeat_at = heartbeat_at + 3600000", {}))
    stage.store.write(lambda tx: tx.run("UPDATE events SET at = at + 3600000 WHERE id = 1", {}))
    found = wrong(lanes("doctor", "--json"))
    assert "was set by 1h" in found["clocks"]["message"]
    assert "go back by" in found["journal"]["message"]


@pytest.mark.parametrize(("pid", "end"), [(1, "its container"), (4711, "it (`kill -9 4711` on box)")])
def test_F881_a_silent_gateway_that_is_process_1_is_ended_with_its_container(
    stage: Stage, lanes: Call, port: int, pid: int, end: str
) -> None:
    """The kernel lets nobody in a container end its process 1, and process 1 of a host is another one."""
    stage.owner()
    silent = "UPDATE owners SET pid = :pid, pid_ns = 'pid:[1]', host = 'box', heartbeat_at = 0, heartbeat_boot = 0"
    stage.store.write(lambda tx: tx.run(silent, {"pid": pid}))
    found = wrong(lanes("doctor", "--json"))
    assert found["owners"]["fix"] == f"if it hangs, end {end}; `lanes reconcile --wait` watches it"


@pytest.mark.parametrize("minutes", [0, 2])
def test_F880_a_lane_that_waits_for_a_look_at_processes(stage: Stage, lanes: Call, port: int, minutes: int) -> None:
    """After a restart of a container nobody can look any more, and the lane waits until somebody resumes it."""
    stage.send("k", "one")
    pause = "INSERT INTO pauses (lane_id, kind, reason, actor, at) SELECT id, :kind, :kind, 'owner:1', :at FROM lanes"
    at = system_clock().wall - minutes * 60_000
    stage.store.write(lambda tx: tx.run(pause, {"kind": "survivors", "at": at}))
    found = wrong(lanes("doctor", "--json"))
    assert ("survivors" in found) == bool(minutes)
    if minutes:
        assert "nothing of their last run is left: 1, for up to 2m" in found["survivors"]["message"]
        assert "lanes resume KEY" in found["survivors"]["fix"]


def test_a_ghost(stage: Stage, lanes: Call, port: int) -> None:
    owner = stage.owner()
    claimed = stage.hold("k", owner)
    for _ in range(2):
        stage.store.write(doors.heartbeat(owner, [], system_clock()))
    assert claimed.ticket == Ticket(claimed.ticket.run_id, claimed.ticket.epoch)
    assert "ghosts" in wrong(lanes("doctor", "--json"))


def test_a_port_that_something_else_has(stage: Stage, lanes: Call, port: int) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        found = wrong(lanes("doctor", "--json"))
    assert f"127.0.0.1:{port} is in use" in found["port"]["message"]
    assert "gateway.port" in found["port"]["fix"]


@pytest.mark.parametrize("lives", [True, False])
def test_F876_a_port_that_a_gateway_in_a_container_has(stage: Stage, lanes: Call, port: int, lives: bool) -> None:
    """With the network of this host, or its port published here: it was called a stranger."""
    owner = stage.owner(url=f"http://127.0.0.1:{port}")
    stage.store.write(lambda tx: tx.run("UPDATE owners SET pid_ns = 'pid:[1]', host = 'box'", {}))
    if not lives:
        stage.store.write(lambda tx: tx.run("UPDATE owners SET heartbeat_at = 0, heartbeat_boot = 0", {}))
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        (found,) = (each for each in lanes("doctor", "--json").json if each["check"] == "port")
    if lives:
        assert (found["level"], found["fix"]) == ("ok", None)
        assert f"gateway {owner} listens on that port, in another container or on another host" in found["message"]
    else:
        assert (found["level"], "not by a gateway of this database" in found["message"]) == ("warning", True)


def test_F1097_a_gateway_with_another_network_is_not_told_to_be_ended(stage: Stage, lanes: Call, port: int) -> None:
    """Nobody could reach it from here, and it was to be killed if it hangs; or another one answered in its place."""
    if subprocess.run(["unshare", "--net", "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("no network namespace can be made here")
    with subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE) as other:
        eventually(lambda: Path(f"/proc/{other.pid}/comm").read_text() == "cat\n", "its network")
        stage.owner(identity_of(other.pid), url=f"http://127.0.0.1:{port}")
        (found,) = (each for each in lanes("doctor", "--json").json if each["check"] == "port")
    assert (found["level"], "it is in another network" in found["message"]) == ("ok", True)


def test_F877_a_gateway_that_cannot_store_is_not_ready(
    served: House, lanes: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its disk takes no writes, say: it was only said that it answers."""
    monkeypatch.setattr(gateways, "ANSWER_S", PATIENCE_S)
    served.gateway()
    with contextlib.closing(sqlite3.connect(served.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        found = wrong(lanes("doctor", "--json"))
    assert "is not ready: the database does not take a write" in found["port"]["message"]


def test_a_gateway_that_lives_one_that_hangs_and_one_that_died(
    served: House, lanes: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = served.gateway()
    monkeypatch.setattr(gateways, "ANSWER_S", PATIENCE_S)
    seen = lanes("doctor", "--json")
    monkeypatch.setattr(gateways, "ANSWER_S", 0.3)
    assert (seen.code, wrong(seen)) == (0, {})
    assert any(c["check"] == "port" and "answers" in c["message"] for c in seen.json)
    gateway.freeze(served.database)
    found = wrong(lanes("doctor", "--json"))
    assert "cannot answer: it is stopped" in found["port"]["message"]
    assert str(gateway.pid) in found["port"]["fix"]
    gateway.thaw()
    gateway.kill()
    assert "is dead" in wrong(lanes("doctor", "--json"))["owners"]["message"]


def test_a_broken_invariant_is_1_and_named(stage: Stage, lanes: Call, port: int) -> None:
    stage.hold("k \u202e", stage.owner())
    stage.store.write(lambda tx: tx.run("UPDATE counters SET value = 0", {}))
    seen = lanes("doctor", "--json")
    assert seen.code == 1
    are_forms(seen.json, "Check")
    check = wrong(seen)["epoch-from-the-counter"]
    assert check["level"] == "broken"
    assert "lanes bundle" in check["fix"]
    text = lanes("doctor")
    assert (text.code, "\u202e" in text.out) == (1, False)
    assert "k \\u202e" in text.out


def test_a_damaged_file_is_1(stage: Stage, lanes: Call, port: int) -> None:
    stage.send("k", *("text " * 400 for _ in range(50)))
    stage.close()
    with sqlite3.connect(stage.path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    content = bytearray(stage.path.read_bytes())
    content[40_000:120_000] = b"\xff" * 80_000
    stage.path.write_bytes(content)
    seen = lanes("doctor", "--json")
    assert seen.code == 1
    assert levels(seen)["file"] == "broken"
    assert "lanes db restore" in wrong(seen)["file"]["fix"] or "restore a backup" in wrong(seen)["file"]["fix"]
    assert lanes("doctor").code == 1


def test_what_is_no_database_is_1_and_what_is_missing_69(lanes: Call, database: Path) -> None:
    missing = lanes("doctor")
    assert (missing.code, missing.out) == (69, "")
    assert str(database) in missing.err
    database.write_text("this is no database, and long enough to be looked at as one " * 20)
    assert lanes("doctor").code == 1


def test_an_older_schema_is_a_warning(stage: Stage, lanes: Call, port: int) -> None:
    stage.send("k", "text")
    stage.close()
    with sqlite3.connect(stage.path) as connection:
        connection.execute("PRAGMA user_version = 0")
    connection.close()
    assert "lanes db upgrade" in wrong(lanes("doctor", "--json"))["schema"]["fix"]


def test_another_schema_of_the_same_number_is_broken(stage: Stage, lanes: Call, port: int) -> None:
    """As a development version, or somebody's shell, may have left it."""
    stage.close()
    with sqlite3.connect(stage.path) as connection:
        connection.execute("DROP INDEX messages_batch")
        connection.execute("ALTER TABLE runs DROP COLUMN late_reply")
        connection.execute("ALTER TABLE lanes ADD COLUMN colour TEXT")
    connection.close()
    seen = lanes("doctor", "--json")
    assert seen.code == 1
    said = wrong(seen)["schema"]["message"]
    for deviation in ("without index messages_batch", "without column runs.late_reply", "with column lanes.colour"):
        assert deviation in said


def test_a_configuration_that_is_refused_is_a_warning(stage: Stage, lanes: Call, tmp_path: Path) -> None:
    (tmp_path / "lanes.toml").write_text("[clocks]\nrun_timout = '5m'\n")
    seen = lanes("doctor", "--json")
    assert seen.code == 0
    assert "run_timeout" in wrong(seen)["configuration_file"]["message"]


def test_F466_a_secret_that_others_can_read_is_a_warning(stage: Stage, lanes: Call, tmp_path: Path) -> None:
    (tmp_path / "lanes.toml").write_text('[gateway]\nport = 0\ntoken_file = "token"\n')
    (tmp_path / "token").write_text("t0k3n-0815")
    (tmp_path / "token").chmod(0o600)
    assert "secrets" not in wrong(lanes("doctor", "--json"))
    (tmp_path / "token").chmod(0o644)
    seen = lanes("doctor", "--json")
    found = wrong(seen)["secrets"]
    assert (seen.code, found["level"], found["fix"]) == (0, "warning", f"chmod 600 {tmp_path / 'token'}")
    assert "t0k3n" not in seen.out


def test_a_network_file_system_is_refused(stage: Stage) -> None:
    from lanes.doctor.file import check_file

    seen = inspect.facts(stage.path)._replace(file_system="nfs4")
    (place,) = [check for check in check_file(seen) if check.check == "file_system"]
    assert place.level == "broken"
    assert "nfs4" in place.message
    assert inspect.file_system_of(Path("/proc/version")) == "proc"


def test_F599_behind_a_link_it_looks_where_the_file_is(stage: Stage, tmp_path: Path) -> None:
    stage.send("k", "text")
    (tmp_path / "elsewhere").mkdir(mode=0o711)
    link, other = tmp_path / "elsewhere" / "link.db", tmp_path / "elsewhere" / "other.db"
    link.symlink_to(stage.path)
    other.symlink_to("/proc/version")
    seen, meant = (inspect.facts(path)._replace(path=link, free=0) for path in (link, stage.path))
    assert seen == meant
    assert seen.log_size > 0
    assert inspect.file_system_of(other) == "proc"


def test_little_room_and_a_long_log(stage: Stage) -> None:
    from lanes.doctor.file import check_file

    seen = inspect.facts(stage.path)._replace(free=1024, log_size=2**30, folder_mode=0o777)
    assert {c.check for c in check_file(seen) if c.level == "warning"} == {"disk", "log", "folder"}


def test_it_changes_nothing(database: Path, lanes: Call, port: int) -> None:
    program = (
        "import os, sys; from pathlib import Path; from tests.kit.stage import Stage;"
        "stage = Stage(Path(sys.argv[1])); stage.hold('k', stage.dead_owner(), 'waits'); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", program, str(database)], check=True, cwd=Path(__file__).parents[2])
    log = database.with_name("lanes.db-wal")
    before = [hashlib.sha256(path.read_bytes()).digest() for path in (database, log)]
    assert lanes("doctor").code == 0
    assert [hashlib.sha256(path.read_bytes()).digest() for path in (database, log)] == before


@pytest.mark.parametrize(
    ("version", "faulty"),
    [("3.6.23", False), ("3.7.0", True), ("3.40.1", True), ("3.44.5", True), ("3.44.6", False), ("3.45.0", True),
     ("3.50.6", True), ("3.50.7", False), ("3.51.0", True), ("3.51.2", True), ("3.51.3", False), ("3.52.0", False)],
)  # fmt: skip
def test_F89_the_versions_of_sqlite_with_the_reset_fault(version: str, faulty: bool) -> None:
    major, minor, patch = map(int, version.split("."))
    assert has_reset_fault((major, minor, patch)) is faulty


def test_F89_the_version_of_sqlite_is_named(stage: Stage, lanes: Call) -> None:
    (found,) = [check for check in lanes("doctor", "--json").json if check["check"] == "sqlite"]
    assert f"SQLite {sqlite3.sqlite_version}" in found["message"]
    assert ("no other program" in found["message"]) == has_reset_fault(sqlite3.sqlite_version_info[:3])


def test_F84_a_process_with_another_file_under_this_name_is_found(stage: Stage, lanes: Call, tmp_path: Path) -> None:
    """This process: its stage has the file open that is moved away, and another one takes its name."""
    assert {check["level"] for check in lanes("doctor", "--json").json if check["check"] == "users"} == {"ok"}
    other = tmp_path / "other.db"
    assert lanes("db", "backup", str(other)).code == 0
    aside = stage.path.with_name("lanes.db.aside")
    for end in ("-wal", "-shm", ""):
        Path(f"{stage.path}{end}").rename(f"{aside}{end}")
    other.rename(stage.path)
    done = lanes("doctor", "--json")
    assert done.code == 1
    (found,) = [check for check in done.json if check["check"] == "users"]
    assert found["level"] == "broken"
    assert f"process {os.getpid()}" in found["message"]
    assert str(aside) in found["message"]


def test_F804_what_cannot_be_read_leads_to_more_than_the_doctor_again(tmp_path: Path, lanes: Call) -> None:
    """On a file system that is read-only, SQLite cannot even look: it makes the shared memory beside the file."""
    with needed_disk(tmp_path / "disk", 8) as disk:
        path = disk.folder / "lanes.db"
        assert lanes("send", "k", "text", "--db", str(path)).code == 0
        (disk.folder / "lanes.db-shm").unlink()
        subprocess.run(("mount", "-o", "remount,ro", str(disk.folder)), check=True)
        assert "lanes doctor" in lanes("list", "--db", str(path)).err
        found = lanes("doctor", "--db", str(path), "--json")
        wrong = {check["check"]: check["fix"] for check in found.json if check["level"] != "ok"}
        assert wrong["permissions"] == "mount it for writing"
        assert not any("lanes doctor" in fix for fix in wrong.values())


@pytest.mark.parametrize("broken", ["no inode", "read-only"])
def test_F1090_a_disk_that_takes_no_new_file_is_told(tmp_path: Path, lanes: Call, broken: str) -> None:
    """Whoever may write there, and however much is free."""
    with needed_disk(tmp_path / "disk", 16, inodes=20) as disk:
        path = disk.folder / "lanes.db"
        assert lanes("send", "k", "text", "--db", str(path)).code == 0
        if broken == "no inode":
            with contextlib.suppress(OSError):
                for number in range(20):
                    (disk.folder / str(number)).touch()
        else:
            subprocess.run(("mount", "-o", "remount,ro", str(disk.folder)), check=True)
        (found,) = [c for c in lanes("doctor", "--db", str(path), "--json").json if c["check"] == "disk"]
        said, remedy = ("No space left", "df -i") if broken == "no inode" else ("Read-only", "dmesg")
        assert (found["level"], said in found["message"], remedy in found["fix"]) == ("warning", True, True)


def test_F1093_a_disk_that_fails_is_not_taken_for_a_damaged_file(stage: Stage, tmp_path: Path, lanes: Call) -> None:
    """SQLite calls both malformed, and the backup that was to be restored lacks what came since."""
    stage.send("k", *("text " * 400 for _ in range(100)))
    with failing_disk(tmp_path / "disk") as disk:
        path = disk.folder / "lanes.db"
        assert lanes("db", "backup", str(path)).code == 0
        disk.fail(path, behind=200 * 1024)
        assert lanes("events", "--db", str(path)).code == 69
        for look in (("doctor",), ("db", "check")):
            found = lanes(*look, "--db", str(path), "--json")
            assert found.code == 1
            (seen,) = [check for check in found.json if check["check"] == "file"]
            assert ("Input/output error" in seen["message"], "dmesg" in seen["fix"]) == (True, True)


def test_F838_it_says_how_far_it_is(stage: Stage) -> None:
    stage.complete(stage.hold("k", stage.owner()))
    said: list[tuple[int, int]] = []
    examine(stage.path, Context("tester"), lambda done, whole: said.append((done, whole)))
    assert said == sorted(said), "it only goes forward"
    assert len(said) > 3
    assert {whole for _, whole in said} == {said[-1][0]}, "at the end all is done"


class AskedReader(SqliteReader):
    """A reader that keeps what it was asked."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.asked: list[str] = []

    def read(self, query: Query[T]) -> T:
        self.asked.append(query.sql)
        return super().read(query)


def test_F838_what_providers_did_before_the_gateways_lived_is_not_looked_for(stage: Stage) -> None:
    stage.complete(stage.hold("k", stage.dead_owner()))
    with closing(AskedReader(stage.path)) as reader:
        check_providers(reader, Context("tester"))
        assert [sql for sql in reader.asked if "FROM events" in sql] == [], "nobody lives who saw any"
        stage.owner()
        check_providers(reader, Context("tester"))
        assert len([sql for sql in reader.asked if "FROM events" in sql]) == 3


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_F891_the_doctor_gives_no_advice_about_what_is_no_file(bare: Call, tmp_path: Path, kind: str) -> None:
    """Of a folder that others may write into, as /tmp, it said `chmod 600`."""
    named = tmp_path / "named"
    named.mkdir() if kind == "folder" else os.mkfifo(named)
    named.chmod(0o777)
    done = bare("--db", str(named), "doctor")
    assert (done.code, done.out) == (69, ""), done
    assert "name a file" in done.err


@pytest.mark.parametrize("named", ["", "postgresql://host/lanes", "~nobody-here/lanes.db", "file:lanes.db", "folder"])
def test_F892_where_no_file_is_named_the_next_step_is_to_name_one(bare: Call, tmp_path: Path, named: str) -> None:
    """The advice was to ask the doctor, which said the same."""
    (tmp_path / "folder").mkdir()
    for arguments in (["doctor"], ["send", "k", "hello"]):
        done = bare("--db", str(tmp_path / named) if named == "folder" else named, *arguments)
        assert done.code == 69, done
        assert "name a file" in done.err
        assert "lanes doctor" not in done.err


def test_F892_nor_where_its_folder_cannot_be_made(bare: Call, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    named = tmp_path / "file" / "lanes.db"
    done = bare("--db", str(named), "send", "k", "hello")
    assert (done.code, "name a file in a folder" in done.err) == (69, True), done
    bare("--db", str(tmp_path / "lanes.db"), "send", "k", "hello")
    done = bare("--db", str(tmp_path / "lanes.db"), "db", "backup", str(named))
    assert (done.code, "name a file in a folder" in done.err) == (69, True), done
