"""Whose word a configuration file is: who may write it, and whether what it runs was ever meant to run."""

import grp
import json
import os
import pwd
import stat
from collections.abc import Mapping
from pathlib import Path

import pytest

from lanes.base.errors import ConfigError
from lanes.config import approval, from_data, load, simulated
from lanes.config.declared.setting import Kind
from lanes.config.declared.settings import SETTINGS
from lanes.config.reading import access
from lanes.config.reading.document import MOST_BYTES
from tests.config.conftest import RUNNER, Load, Refuse, Write

HOOKED = RUNNER + '[hooks]\nnotice = "mine:told"\n'
NOBODY = 65_534


def stat_of(path: Path, *, uid: int | None = None, gid: int | None = None, mode: int = 0o600) -> os.stat_result:
    """What the file system could say of a file."""
    fields = list(path.stat())
    fields[stat.ST_MODE] = stat.S_IFREG | mode
    fields[stat.ST_UID] = os.geteuid() if uid is None else uid
    fields[stat.ST_GID] = os.getegid() if gid is None else gid
    return os.stat_result(fields)


def test_a_file_that_everybody_may_write_is_refused(write: Write, home: Mapping[str, str]) -> None:
    path = write(RUNNER)
    path.chmod(0o646)
    with pytest.raises(ConfigError, match=rf"{path}: everybody may write it \(mode 0646\); chmod go-w {path}"):
        load(path, env=home)
    path.chmod(0o644)
    assert load(path, env=home).source == path


def test_a_file_of_somebody_else_is_refused(write: Write) -> None:
    path = write(RUNNER)
    with pytest.raises(ConfigError, match=f"it belongs to {access.user_name(NOBODY)}, who can make .* run anything"):
        access.refuse_writers(path, stat_of(path, uid=NOBODY), named=False)
    access.refuse_writers(path, stat_of(path, uid=0), named=False)


def test_a_file_of_somebody_else_may_be_named(write: Write, home: Mapping[str, str], tmp_path: Path) -> None:
    """As an operator does, whose deployment owns what a service of another user reads."""
    path = write(RUNNER)
    if os.geteuid() == 0:  # only root can give a file away
        os.chown(path, NOBODY, -1)
        assert load(path, env=home).source == path
        assert load(env={**home, "LANES_CONFIG": str(path)}).source == path
        assert access.other_owner(path) == access.user_name(NOBODY)
        with pytest.raises(ConfigError, match=f"or name it: --config {path}"):
            load(env=home, cwd=tmp_path)
        path.chmod(0o646)
        with pytest.raises(ConfigError, match="everybody may write it"):
            load(path, env=home)
    access.refuse_writers(path, stat_of(path, uid=NOBODY), named=True)


def test_a_group_with_others_in_it_may_not_write_it(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path, me = write(RUNNER), access.user_name(os.geteuid())
    shared = grp.struct_group(("team", "x", 4242, [me, "bob", "carol"]))
    alone = grp.struct_group(("mine", "x", 4243, [me, access.user_name(0)]))
    found = {group.gr_gid: group for group in (shared, alone)}
    monkeypatch.setattr(grp, "getgrgid", lambda number: found[number])
    with pytest.raises(ConfigError, match=r"group team may write it \(mode 0660\), with bob, carol in it; chmod g-w"):
        access.refuse_writers(path, stat_of(path, gid=4242, mode=0o660), named=False)
    access.refuse_writers(path, stat_of(path, gid=4242, mode=0o640), named=False)
    access.refuse_writers(path, stat_of(path, gid=4243, mode=0o660), named=False)
    access.refuse_writers(path, stat_of(path, gid=4244, mode=0o660), named=False)


def test_whose_primary_group_it_is_belongs_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    users = [pwd.struct_passwd((name, "x", 1000 + n, 50 + n, "", "/", "/bin/sh")) for n, name in enumerate("ab")]
    monkeypatch.setattr(pwd, "getpwall", lambda: users)
    assert access.members(51) == {"b"}


def test_F466_a_secret_that_others_can_read_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "token"
    assert access.readable(path) is None
    path.touch(mode=0o600)
    assert access.readable(path) is None
    path.chmod(0o604)
    assert access.readable(path) == (f"everybody may read the secret in {path} (mode 0604)", f"chmod 600 {path}")
    path.chmod(0o640)
    assert access.readable(path) is None, "nobody else is in that group"
    monkeypatch.setattr(access, "members", lambda _: {"bob"})
    said, _ = access.readable(path) or ("", "")
    assert said.startswith("group ")
    path.chmod(0o644)
    monkeypatch.setattr(os, "geteuid", lambda: NOBODY)
    assert access.readable(path) is None, "it is not this user's to keep, as a mounted secret"


def test_F466_every_file_with_a_secret_is_looked_at(tmp_path: Path) -> None:
    providers = [{"name": "p", "base_url": "http://h/v1", "model": "m", "api_key_file": "key", "ca_file": "ca.pem"}]
    alerts = [{"name": "a", "on": ["held"], "url_file": "hook"}]
    data = {"gateway": {"token_file": "/run/token"}, "provider": providers, "alert": alerts}
    found = from_data(data, env={}, cwd=tmp_path).secret_files
    assert {*found} == {Path("/run/token"), tmp_path / "key", tmp_path / "hook"}


def test_a_database_that_others_can_change_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lanes.db"
    assert access.exposed(path) is None
    path.touch(mode=0o600)
    assert access.exposed(path) is None
    for mode, who in ((0o620, "group "), (0o602, "everybody")):
        path.chmod(mode)
        said, fix = access.exposed(path) or ("", "")
        assert said.startswith(who)
        assert fix == f"chmod 600 {path}"
    monkeypatch.setattr(os, "geteuid", lambda: NOBODY)
    said, fix = access.exposed(path) or ("", "")
    assert f"{path} belongs to " in said
    assert fix == f"run every lanes of this database as {access.user_name(path.stat().st_uid)}"


def test_a_pipe_may_be_named(home: Mapping[str, str]) -> None:
    """As the shell makes one of ``--config <(…)``."""
    reading, writing = os.pipe()
    os.write(writing, RUNNER.encode())
    os.close(writing)
    try:
        assert load(Path(f"/dev/fd/{reading}"), env=home).runners[0].name == "chat"
    finally:
        os.close(reading)


def test_code_of_a_file_that_was_merely_found_runs_once_the_file_was_named(
    write: Write, home: Mapping[str, str], tmp_path: Path
) -> None:
    path = write(HOOKED)
    found = load(env=home, cwd=tmp_path)
    assert found.found_here
    with pytest.raises(ConfigError, match=r"lanes.toml:12: hooks.notice: it runs 'mine:told', but .* --config lanes"):
        approval.refuse_found_code(found)
    named = load(Path("lanes.toml"), env=home, cwd=tmp_path)
    approval.refuse_found_code(named)
    approval.remember(named)
    approval.refuse_found_code(load(env=home, cwd=tmp_path))
    notes = tmp_path / "home/.local/state/lanes/trusted.json"
    assert stat.S_IMODE(notes.stat().st_mode) == 0o600
    path.write_text(HOOKED.replace("told", "else"))
    with pytest.raises(ConfigError, match="mine:else"):
        approval.refuse_found_code(load(env=home, cwd=tmp_path))
    notes.write_text(json.dumps([]))
    with pytest.raises(ConfigError):
        approval.refuse_found_code(load(env=home, cwd=tmp_path))


@pytest.mark.parametrize(
    "code", ['[hooks]\nafter_run = "a:b"\n', '[[runner]]\nname = "own"\nkind = "python"\ntarget = "a:b"\n']
)
def test_whatever_names_code_counts(write: Write, home: Mapping[str, str], tmp_path: Path, code: str) -> None:
    write(RUNNER + code)
    found = load(env=home, cwd=tmp_path)
    for config in (found, simulated("http://127.0.0.1:1/v1", over=found, env=home)):
        if code.startswith("[hooks]") or config is found:
            with pytest.raises(ConfigError, match="it runs 'a:b'"):
                approval.refuse_found_code(config)


def test_every_setting_that_is_a_program_with_its_arguments_counts(
    write: Write, home: Mapping[str, str], tmp_path: Path
) -> None:
    programs = {f"{each.section}.{each.name}" for each in SETTINGS if each.kind is Kind.WORDS}
    assert programs <= approval.CODE
    write(RUNNER + '[[alert]]\nname = "page"\non = ["held"]\ncommand = ["page-me"]\n')
    with pytest.raises(ConfigError, match="page-me"):
        approval.refuse_found_code(load(env=home, cwd=tmp_path))


def test_a_file_without_code_is_taken_where_it_is_found(write: Write, home: Mapping[str, str], tmp_path: Path) -> None:
    write(RUNNER)
    found = load(env=home, cwd=tmp_path)
    approval.refuse_found_code(found)
    approval.remember(found)
    assert not (tmp_path / "home").exists()
    assert not load(env={**home, "LANES_CONFIG": "lanes.toml"}, cwd=tmp_path).found_here


def test_what_is_nested_beyond_reason_is_refused_in_words(refused: Refuse) -> None:
    assert (
        refused("x = " + "[" * 5_000)
        == "lanes.toml: its values are nested too deeply; no setting needs more than one list"
    )


def test_a_file_that_has_no_end_is_refused(home: Mapping[str, str], tmp_path: Path) -> None:
    large = tmp_path / "large.toml"
    large.write_text("#" * (MOST_BYTES + 1))
    for path in (large, Path("/dev/zero")):
        with pytest.raises(ConfigError, match="larger than 1,000,000 bytes"):
            load(path, env=home)


SERVICE = {
    "LANES_GATEWAY_PORT": "tcp://10.0.0.11:8765",
    "LANES_GATEWAY_SERVICE_HOST": "10.0.0.11",
    "LANES_GATEWAY_SERVICE_PORT": "8765",
    "LANES_GATEWAY_SERVICE_PORT_HTTP": "8765",
    "LANES_GATEWAY_PORT_8765_TCP": "tcp://10.0.0.11:8765",
    "LANES_GATEWAY_PORT_8765_TCP_PROTO": "tcp",
    "LANES_GATEWAY_PORT_8765_TCP_PORT": "8765",
    "LANES_GATEWAY_PORT_8765_TCP_ADDR": "10.0.0.11",
    "LANES_QUEUE_WORKERS_SERVICE_HOST": "10.0.0.12",
    "LANES_QUEUE_WORKERS_PORT": "tcp://10.0.0.12:80",
}


def test_what_kubernetes_sets_for_a_service_is_no_setting(loaded: Load, refused: Refuse) -> None:
    assert loaded(RUNNER, SERVICE).gateway.port == 8765
    assert loaded(RUNNER, {**SERVICE, "LANES_GATEWAY_PORT": "9000"}).gateway.port == 9000
    assert "LANES_GATEWAY_PROT" in refused(RUNNER, {"LANES_GATEWAY_PROT": "1"})
    assert "LANES_GATEWAY_PORT" in refused(RUNNER, {"LANES_GATEWAY_PORT": "tcp"})
