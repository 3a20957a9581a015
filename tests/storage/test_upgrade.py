"""From a database that lanes 0.1.0 wrote to the schema of today: whole or not at all, without loss."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lanes.testing import broken
from lanes_storage import open_store, reads
from lanes_storage.errors import DatabaseDamaged
from lanes_storage.interface import Transaction
from lanes_storage.schema import versions
from lanes_storage.sqlite.file import connect
from tests.kit.acting import REQUESTS
from tests.kit.world import World
from tests.storage.of_0_1_0 import Row, refused, rows, upgraded

#: What 0.1.0 had in columns of a lane, and has a table since.
MOVED = ("pause_reason", "pause_actor", "pause_at", "pause_until")


# ------------------------------------------------------------------------------------------- nothing is lost


@pytest.mark.parametrize("table", ["lanes", "messages", "runs", "owners", "events", "idempotency", "counters", "waits"])
def test_F134_every_row_of_0_1_0_is_there_after_the_upgrade(old: Path, said: dict[str, Any], table: str) -> None:
    before: list[Row] = sorted(said["rows"][table], key=lambda row: [*row.values()][:2])
    assert before, "the fixture has some of each"
    after = rows(upgraded(old), table)
    kept = [{name: row[name] for name in row if name not in MOVED} for row in before]
    assert [{name: row[name] for name in kept[0]} for row in after] == kept


def test_F134_the_events_of_a_lane_are_found_by_it_after_the_upgrade(old: Path) -> None:
    every: dict[int, list[int]] = {}
    for event in rows(upgraded(old), "events"):
        if event["lane_id"] is not None:
            every.setdefault(event["lane_id"], []).append(event["id"])
    store = open_store(str(old))
    try:
        found = {lane: [event.id for event in store.read(reads.events(lane=lane))] for lane in every}
        assert broken(store) == []
    finally:
        store.close()
    assert found == every != {}


def test_F134_the_conversations_of_0_1_0_go_on_after_the_upgrade(old: Path, said: dict[str, Any]) -> None:
    """Each reply with the texts that it answers, as 0.1.0 told them to a model."""
    replied = [m for m in said["rows"]["messages"] if m["state"] == "done" and None not in (m["text"], m["reply"])]
    anonymous = {lane["id"] for lane in said["rows"]["lanes"] if lane["anonymous"]}
    expected: dict[int, list[tuple[str, str]]] = {}
    for message in sorted(replied, key=lambda row: row["id"]):
        texts = [m["text"] for m in said["rows"]["messages"] if m["answered_by"] == message["id"]]
        if message["lane_id"] not in anonymous:
            turn = ("\n\n".join([*texts, message["text"]]), message["reply"])
            expected.setdefault(message["lane_id"], []).append(turn)
    assert any("\n\n" in text for turns in expected.values() for text, _ in turns), "some were collected"
    store = open_store(str(upgraded(old)))
    try:
        for lane in rows(old, "lanes"):
            found = [(turn.text, turn.reply) for turn in store.read(reads.recalled(lane["id"], 1_000, 10**9))]
            assert found == expected.get(lane["id"], [])
    finally:
        store.close()


def test_F134_pauses_cooldowns_and_waits_have_become_rows_of_their_tables(old: Path, said: dict[str, Any]) -> None:
    upgraded(old)
    paused = [lane for lane in said["rows"]["lanes"] if lane["pause_at"] is not None]
    assert {lane["pause_reason"] for lane in paused} >= {"survivors", "restored", "looking into it", "until later"}
    kinds = {"survivors": "survivors", "restored": "restored"}
    assert [(p["lane_id"], p["kind"], p["reason"], p["actor"], p["at"], p["until"]) for p in rows(old, "pauses")] == [
        (
            lane["id"],
            kinds.get(lane["pause_reason"], "hand"),
            *(lane[name] for name in MOVED),
        )
        for lane in paused
    ]
    cooling = said["rows"]["cooldowns"]
    assert cooling
    assert [{name: row[name] for name in cooling[0]} for row in rows(old, "providers")] == cooling
    owners = {owner["id"]: owner for owner in said["rows"]["owners"]}
    runs = {run["id"]: run for run in said["rows"]["runs"]}
    for wait in rows(old, "waits"):
        holder = owners[runs[wait["run_id"]]["owner_id"]]
        assert all(wait[name] == holder[name] for name in ("host", "boot_id", "pid_ns", "pid", "start_time"))
    children = [run for run in rows(old, "runs") if run["process_host"] is not None]
    assert [(run["process_boot_id"] == run["boot_id"], run["process_pid"]) for run in children] == [(True, 4711)]
    anonymous = {lane["id"] for lane in said["rows"]["lanes"] if lane["anonymous"]}
    assert {m["lane_id"] for m in rows(old, "messages") if m["anonymous"]} == anonymous != set()


def test_F501_a_request_of_0_1_0_that_lets_its_provider_act_is_known_after_the_upgrade(old: Path) -> None:
    """0.1.0 read that in the request at each claim."""
    (like, *_) = (row for row in rows(old, "messages") if row["request"] is not None)
    made = {like["id"] + place: acts for place, (_, acts) in enumerate(REQUESTS, 2_000_000)}
    connection = sqlite3.connect(old)
    with connection:
        for number, (asked, _) in zip(made, REQUESTS, strict=True):
            copy = like | {"id": number, "request": json.dumps(asked)}
            places = ", ".join("?" * len(copy))
            connection.execute(f"INSERT INTO messages ({', '.join(copy)}) VALUES ({places})", [*copy.values()])
    connection.close()
    stored = {row["id"]: row["acts"] for row in rows(upgraded(old), "messages")}
    assert {number: stored[number] == 1 for number in made} == made
    assert {stored[number] for number in stored if number not in made} == {None}


def test_F134_no_id_is_given_twice(old: Path, said: dict[str, Any]) -> None:
    """Also not one whose row was pruned, or left out by a restore."""
    last = {row["name"]: row["seq"] for row in said["rows"]["sqlite_sequence"]}
    assert last["messages"] > 1_000_000
    store = open_store(str(old), create=True)
    try:
        assert World(store).send("new") == last["messages"] + 1
        assert broken(store) == []
    finally:
        store.close()


def test_F132_an_upgraded_file_has_the_schema_of_a_new_one(old: Path, tmp_path: Path) -> None:
    fresh = upgraded(tmp_path / "fresh.db")
    assert shape(upgraded(old)) == shape(fresh)


def shape(path: Path) -> dict[str, str]:
    """What made each table and index, without the quotes and the blanks in which they may differ."""
    connection = sqlite3.connect(path)
    try:
        made = connection.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL").fetchall()
    finally:
        connection.close()
    return {name: " ".join(sql.replace('"', "").split()) for name, sql in made}


# ------------------------------------------------------------------------------------------ whole or not at all

#: Upgrades the file again and again in a fork of itself, which ends at the next statement each time, until one comes
#: to its end; prints what the file was after each: its version, and a digest of all that is in it.
KILLED = """
import hashlib, os, shutil, sqlite3, sys
from pathlib import Path
from lanes_storage import open_store
from lanes_storage.sqlite.file import upgrading

path, work = Path(sys.argv[1]), Path(sys.argv[2])
real = sqlite3.connect

def dying_at(number):
    def connect(*args, **more):
        connection, left = real(*args, **more), [number]
        def count(statement):
            left[0] -= 1
            if left[0] == 0:
                os._exit(9)
        connection.set_trace_callback(count)
        return connection
    return connect

def state():
    connection = real(work)
    digest = hashlib.sha256()
    for line in connection.iterdump():
        digest.update(line.encode())
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    sound = connection.execute("PRAGMA integrity_check").fetchone()[0]
    connection.close()
    return f"{version} {digest.hexdigest()} {sound}"

from lanes_storage.schema.versions import creation
creation()
number, code = 1, 9
while code == 9:
    for end in ("", "-wal", "-shm"):
        Path(f"{work}{end}").unlink(missing_ok=True)
    shutil.copy(path, work)
    pid = os.fork()
    if pid == 0:
        sqlite3.connect = dying_at(number)
        open_store(str(work), create=True).close()
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    print(code, state(), flush=True)
    number += 1
"""


def test_F132_killed_at_any_statement_it_is_the_old_file_or_the_new_one(old: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", KILLED, str(old), str(tmp_path / "work.db")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    met = [line.split() for line in done.stdout.splitlines()]
    assert [line[0] for line in met] == ["9"] * (len(met) - 1) + ["0"]
    assert len(met) > 40, "it was killed at each of them"
    states = list(dict.fromkeys(tuple(line[1:]) for line in met))
    assert [(found, sound) for found, _, sound in states] == [("1", "ok"), (str(versions.VERSION), "ok")]


#: Upgrades a file that may not grow beyond so many bytes, then without that limit; prints the version after each.
CRAMPED = """
import os, resource, signal, sqlite3, sys
from lanes_storage import errors, open_store
from lanes_storage.schema.versions import creation

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
creation()
for limit in (int(sys.argv[2]), resource.RLIM_INFINITY):
    if not os.fork():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        try:
            open_store(sys.argv[1], create=True).close()
        except errors.StorageError:
            os._exit(75)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.wait()[1])
    connection = sqlite3.connect(sys.argv[1])
    print(code, connection.execute("PRAGMA user_version").fetchone()[0])
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
"""


@pytest.mark.parametrize("room", [0, 20_000])
def test_F132_without_room_it_stays_the_old_file_and_can_be_upgraded_later(old: Path, room: int) -> None:
    before = {table: rows(old, table) for table in ("messages", "events")}
    command = [sys.executable, "-W", "ignore", "-c", CRAMPED, str(old), str(room)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines() == ["75 1", f"0 {versions.VERSION}"]
    assert [row["id"] for row in rows(old, "events")] == [row["id"] for row in before["events"]]
    assert rows(old, "messages")[0]["text"] == before["messages"][0]["text"]


def test_F132_what_would_not_fit_together_is_not_kept(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = versions.MIGRATIONS

    def astray(tx: Transaction) -> None:
        real[1](tx)
        tx.run("DELETE FROM lanes WHERE id = (SELECT min(lane_id) FROM messages)", {})

    monkeypatch.setattr(versions, "MIGRATIONS", real | {1: astray})
    with refused(old, DatabaseDamaged, "names a row of lanes that does not exist"):
        open_store(str(old), create=True)


def test_F132_runs_without_their_lane_are_found_before_it(old: Path) -> None:
    damaged = sqlite3.connect(old, isolation_level=None)
    damaged.execute("UPDATE runs SET lane_id = 1000 WHERE id = (SELECT max(id) FROM runs)")
    damaged.close()
    with refused(old, DatabaseDamaged, "of runs names a row of lanes that does not exist"):
        open_store(str(old), upgrade=True)


def test_references_hold_again_once_it_is_done(old: Path) -> None:
    connection = connect.open_writer(old, create=True)
    try:
        assert connection.execute("PRAGMA foreign_keys").fetchone() == (1,)
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute("UPDATE lanes SET head_id = 99 WHERE id = 1")
    finally:
        connection.close()
