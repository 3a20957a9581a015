"""``lanes guard PROGRAM`` changes its own keys and nothing else, and takes back exactly that."""

import codecs
import json
import os
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lanes.base.errors import ConfigError, NotAllowed
from lanes.commands.common.app import lanes
from lanes.config import load
from lanes.guard import files, jsontext, trial
from lanes.guard.installing import alone, folder, install, planned, record_of, undone
from lanes.guard.programs import PROGRAMS, program_file
from lanes.text.toml import toml_table

KEPT = {
    "claude": (".claude/settings.json", '{\n  "permissions": {"allow": ["x"]},\n  "env": { "A": "b" }\n}\n'),
    "codex": (".codex/config.toml", '# mine\nmodel = "gpt"  # here\n\n[tools]\nweb = true\n'),
    "opencode": (".config/opencode/opencode.json", '{\n  // comment\n  "model": "anthropic/x",\n  "theme": "a",\n}\n'),
    "openclaw": (
        ".openclaw/openclaw.json",
        '{ /* json5 */ agents: { defaults: { model: { primary: "fake/m1" } } },\n'
        "  models: { providers: { fake: { baseUrl: 'https://real.example/v1', apiKey: 'sk-secret', }, }, }, }\n",
    ),
    "hermes": (
        ".hermes/config.yaml",
        "model:\n  provider: custom\n  base_url: https://h.example/v1  # here\n  api_key: sk-secret\nother: 1\n",
    ),
}
UPSTREAM = {
    "claude": "https://api.anthropic.com/v1",
    "codex": "https://api.openai.com/v1",
    "opencode": "https://api.anthropic.com/v1",
    "openclaw": "https://real.example/v1",
    "hermes": "https://h.example/v1",
}

WATCH = {"name": "openclaw", "kind": "openclaw", "url": "ws://127.0.0.1:18789"}
FULL = Path("/dev/full")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of a person who uses all five."""
    for variable in (
        "XDG_CONFIG_HOME", "XDG_STATE_HOME", "CODEX_HOME", "CLAUDE_CONFIG_DIR", "OPENCLAW_CONFIG_PATH",
        "OPENCLAW_STATE_DIR", "OPENCLAW_HOME", "OPENCODE_CONFIG", "ANTHROPIC_BASE_URL",
    ):  # fmt: skip
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for path, text in KEPT.values():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


def guard(*words: str) -> Result:
    return CliRunner().invoke(lanes, ["guard", *words, "--no-service"])


def write(name: str) -> None:
    install(planned(PROGRAMS[name], port=8765, config=None, upstream=None, service=False), lambda: None)


@pytest.mark.parametrize("name", KEPT)
def test_F296_it_changes_its_own_keys_and_takes_back_exactly_that(home: Path, name: str) -> None:
    path = home / KEPT[name][0]
    path.chmod(0o640)
    shown = guard(name)
    assert path.read_text() == KEPT[name][1], "a preview changes nothing"
    assert "+++" in shown.output
    assert "sk-secret" not in shown.output
    write(name)
    changed = path.read_text()
    token = (home / f".local/state/lanes/guard/{name}.token").read_text().strip()
    assert f"http://127.0.0.1:8765/g/{name}/{token}" in changed
    assert path.stat().st_mode & 0o777 == 0o640
    backup = path.with_name(path.name + files.BACKUP)
    assert (backup.read_text(), backup.stat().st_mode & 0o777) == (KEPT[name][1], 0o600)
    source = load(home / ".config/lanes/lanes.toml").sources[name]
    assert (source.provider.base_url, source.provider.clients_key, source.token) == (UPSTREAM[name], True, token)
    assert guard(name, "--undo").exit_code == 0
    assert path.read_text() == KEPT[name][1]
    assert not (home / ".config/lanes/lanes.toml").exists()


def test_a_file_whose_last_line_has_no_end_is_shown_line_by_line(home: Path) -> None:
    (home / KEPT["claude"][0]).write_text('{"env": {}}')
    assert '-{"env": {}}' in guard("claude").output.splitlines()


def test_its_trial_with_the_token_goes_through_no_proxy(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy, socket.create_server(("127.0.0.1", 0)) as unused:
        closed = unused.getsockname()[1]
        unused.close()
        proxy.setblocking(False)
        for name in ("http_proxy", "HTTP_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("LANES_GATEWAY_PORT", str(closed))
        monkeypatch.setattr(trial, "STARTS_WITHIN_S", 0.5)
        done = guard("claude", "--write")
        assert "no gateway answers yet" in done.output
        with pytest.raises(BlockingIOError):
            proxy.accept()
    assert (home / ".config/lanes/lanes.toml").exists()


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
def test_what_was_written_is_no_failure_where_the_output_cannot_be_written(home: Path) -> None:
    for action in ("--write", "--undo"):
        with FULL.open("w") as full:
            words = [sys.executable, "-m", "lanes", "guard", "claude", action, "--no-service", "--json"]
            done = subprocess.run(words, check=False, stdout=full, stderr=subprocess.PIPE, text=True, cwd=home)
        assert (done.returncode, "was carried out" in done.stderr) == (0, True), done.stderr


def test_F296_what_was_changed_since_is_not_undone(home: Path) -> None:
    for name in KEPT:
        write(name)
    path = home / KEPT["claude"][0]
    path.write_text(path.read_text().replace("127.0.0.1", "elsewhere"))
    with pytest.raises(ConfigError, match="was edited since"):
        undone(PROGRAMS["claude"])
    toml = home / ".config/lanes/lanes.toml"
    toml.write_text(toml.read_text() + "\n[gateway]\nport = 9000\n")
    assert guard("codex", "--undo").exit_code == 0, "what stands around it may change"
    assert tomllib.loads(toml.read_text())["gateway"] == {"port": 9000}
    assert "codex" not in toml.read_text()


def test_F296_an_interrupted_installation_can_be_undone(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(changed: files.ChangedFile) -> None:
        if changed.path.name == "config.toml":
            raise KeyboardInterrupt
        write_file(changed)

    write_file = files.write
    monkeypatch.setattr(files, "write", fails)
    with pytest.raises(KeyboardInterrupt):
        write("codex")
    monkeypatch.undo()
    monkeypatch.setenv("HOME", str(home))
    assert (home / ".config/lanes/lanes.toml").exists()
    assert guard("codex", "--undo").exit_code == 0
    assert not (home / ".config/lanes/lanes.toml").exists()
    assert (home / KEPT["codex"][0]).read_text() == KEPT["codex"][1]
    assert not record_of(PROGRAMS["codex"]).exists()


def test_F296_a_link_is_followed_and_stays_one(home: Path) -> None:
    path = home / KEPT["claude"][0]
    real = home / "dotfiles.json"
    path.rename(real)
    path.symlink_to(real)
    write("claude")
    assert path.is_symlink()
    assert "127.0.0.1" in real.read_text()
    assert program_file(PROGRAMS["claude"]) == real


@pytest.mark.parametrize(
    "line",
    [
        'http_headers = { Authorization = "Bearer hush", X-Mine = "hush" }',
        '"headers": {"X-Mine": "hush"},',
        "Authorization: Bearer hush",
        'x-api-key = "hush \\"hush"',
        "'Cookie': 'hush',",
        'base_url = "https://me:hush@h.example/v1"',
        'args = ["Bearer hush"]',
        "experimental_bearer_token = 'hush'",
        "proxy_auth = hush",
        'api_key = "client-hush"',
    ],
)
def test_F433_a_preview_shows_no_secret(line: str) -> None:
    shown = files.ChangedFile(Path("x"), "", line + "\r\n", ()).diff()
    assert "***" in shown
    assert "hush" not in shown


def test_F433_a_preview_shows_what_is_no_secret_and_only_what_changes() -> None:
    shown = files.ChangedFile(Path("x"), "mine = 1\n", 'mine = 1\napi_key = "client"\nneeds_auth = true\n', ()).diff()
    assert shown.endswith('+api_key = "client"\n+needs_auth = true\n')
    assert "mine" not in shown


def test_a_preview_shows_a_change_of_the_last_line_end_alone() -> None:
    shown = files.ChangedFile(Path("x"), "mine = 1", "mine = 1\n", ()).diff()
    assert shown.endswith("-mine = 1\n\\ No newline at end of file\n+mine = 1\n")


@pytest.mark.parametrize("name", KEPT)
def test_F435_a_file_with_the_line_ends_of_windows_keeps_them(home: Path, name: str) -> None:
    path, toml = home / KEPT[name][0], home / ".config/lanes/lanes.toml"
    before = KEPT[name][1].replace("\n", "\r\n").encode()
    toml.parent.mkdir(parents=True)
    toml.write_bytes(b"# mine\r\n")
    path.write_bytes(before)
    write(name)
    for changed in (path, toml):
        told = changed.read_bytes()
        assert told.count(b"\r\n") == told.count(b"\n") > 0
    assert path.with_name(path.name + files.BACKUP).read_bytes() == before
    assert guard(name, "--undo").exit_code == 0
    assert path.read_bytes() == before
    assert toml.read_bytes() == b"# mine\r\n"


@pytest.mark.parametrize("name", KEPT)
def test_F435_a_byte_order_mark_stays_first(home: Path, name: str) -> None:
    path = home / KEPT[name][0]
    before = codecs.BOM_UTF8 + KEPT[name][1].encode()
    path.write_bytes(before)
    write(name)
    assert path.read_bytes().startswith(codecs.BOM_UTF8)
    assert path.read_bytes().count(codecs.BOM_UTF8) == 1
    assert b"127.0.0.1" in path.read_bytes()
    assert guard(name, "--undo").exit_code == 0
    assert path.read_bytes() == before


@pytest.mark.parametrize("text", ["[" * 3000, '{"a":' * 3000, "{" + '"a": ' + "[" * 3000 + "]" * 3000 + "}"])
def test_F436_a_file_that_is_nested_too_deep_is_refused(home: Path, text: str) -> None:
    (home / KEPT["claude"][0]).write_text(text)
    with pytest.raises(ConfigError, match="too deep"):
        write("claude")


@pytest.mark.parametrize("name", KEPT)
def test_F437_a_file_that_is_gone_counts_as_undone(home: Path, name: str) -> None:
    path, toml = home / KEPT[name][0], home / ".config/lanes/lanes.toml"
    write(name)
    path.unlink()
    assert guard(name, "--undo").exit_code == 0
    assert not path.exists()
    assert not toml.exists()
    path.write_text(KEPT[name][1])
    write(name)
    toml.unlink()
    assert guard(name, "--undo").exit_code == 0
    assert path.read_text() == KEPT[name][1]


@pytest.mark.parametrize("name", KEPT)
def test_F437_what_was_undone_by_hand_counts_as_undone(home: Path, name: str) -> None:
    path = home / KEPT[name][0]
    write(name)
    path.write_text(path.read_text().replace("127.0.0.1", "[::1]"))
    with pytest.raises(ConfigError, match="by hand"):
        undone(PROGRAMS[name])
    path.write_text(KEPT[name][1] + "\n\n")
    assert guard(name, "--undo").exit_code == 0
    assert path.read_text() == KEPT[name][1] + "\n\n"
    write(name)


@pytest.mark.parametrize("text", ["", "\n", " \r\n\r\n"])
@pytest.mark.parametrize("name", ["claude", "codex"])
def test_F438_an_empty_file_that_was_there_stays(home: Path, name: str, text: str) -> None:
    path, toml = home / KEPT[name][0], home / ".config/lanes/lanes.toml"
    toml.parent.mkdir(parents=True)
    for each in (path, toml):
        each.write_bytes(text.encode())
    write(name)
    assert guard(name, "--undo").exit_code == 0
    assert (path.read_bytes(), toml.read_bytes()) == (text.encode(), text.encode())
    for program in (name, "hermes"):
        write(program)
    for program in (name, "hermes"):
        assert guard(program, "--undo").exit_code == 0
    assert toml.read_bytes() == text.encode()


def test_F438_a_file_that_lanes_made_goes_with_the_last_program(home: Path) -> None:
    (home / KEPT["claude"][0]).unlink()
    for name in ("claude", "hermes"):
        write(name)
    for name in ("claude", "hermes"):
        assert (home / ".config/lanes/lanes.toml").exists()
        assert guard(name, "--undo").exit_code == 0
    assert not (home / ".config/lanes/lanes.toml").exists()
    assert not (home / KEPT["claude"][0]).exists()


@pytest.mark.parametrize("text", ["// mine", "/* mine */\n\n", "\r\n// mine\r\n"])
def test_F438_a_file_of_comments_keeps_them(text: str) -> None:
    path = ("env", "A")
    changed = files.edited(Path("x"), text, [jsontext.setting(text, path, "http://new")])
    assert changed.after.startswith(text)
    node = jsontext.node_at(jsontext.parse(changed.after), path)
    assert node is not None
    assert node.value == "http://new"
    (piece,) = changed.pieces
    assert changed.after.replace(piece.ours, piece.before) == text


@pytest.mark.parametrize("name", ["opencode", "openclaw"])
def test_an_account_that_is_not_known_is_named_by_its_upstream(home: Path, name: str) -> None:
    told = {"model": "mine/x", "agents": {"defaults": {"model": "mine/x"}}}
    (home / KEPT[name][0]).write_text(json.dumps(told))
    with pytest.raises(ConfigError, match="--upstream"):
        write(name)
    plan = planned(PROGRAMS[name], port=8765, config=None, upstream="https://m.example/v1", service=False)
    assert plan.upstream == "https://m.example/v1"


def test_F502_two_at_once_do_not_lose_what_one_of_them_wrote(home: Path) -> None:
    """The second one says who is at work, and changes nothing; a lock of a process that was killed is free."""
    with alone():
        for words in (("claude", "--write"), ("claude", "--undo")):
            done = guard(*words)
            assert isinstance(done.exception, NotAllowed)
            assert f"another lanes (pid {os.getpid()})" in str(done.exception)
        assert guard("claude").exit_code == 0, "a preview changes nothing"
    assert (home / KEPT["claude"][0]).read_text() == KEPT["claude"][1]
    assert not (home / ".config/lanes/lanes.toml").exists()
    assert [each.name for each in folder().iterdir()] == ["lock"]
    (folder() / "lock").write_text("4711\n")
    with pytest.raises(ConfigError, match="not guarded"), alone():
        undone(PROGRAMS["claude"])


def test_a_state_directory_that_cannot_be_made_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "taken").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "taken"))
    with pytest.raises(ConfigError, match="taken/lanes/guard cannot be written"), alone():
        pass


def test_F502_what_somebody_else_writes_meanwhile_is_not_overwritten(home: Path) -> None:
    """A program may write its own file while the gateway is started and tried."""
    path, theirs = home / KEPT["claude"][0], '{"env": {"NEW": "1"}}'
    plan = planned(PROGRAMS["claude"], port=8765, config=None, upstream=None, service=False)

    def begin() -> None:
        path.write_text(theirs)

    with pytest.raises(ConfigError, match="changed meanwhile"):
        install(plan, begin)
    assert path.read_text() == theirs
    assert guard("claude", "--undo").exit_code == 0
    assert path.read_text() == theirs
    assert not (home / ".config/lanes/lanes.toml").exists()


def test_twice_is_refused(home: Path) -> None:
    write("codex")
    with pytest.raises(ConfigError, match="already guarded"):
        write("codex")


@pytest.mark.parametrize(
    ("host", "address"),
    [("::1", "http://[::1]:80"), ("10.0.0.4", "http://10.0.0.4:80"), ("::", "http://127.0.0.1:80")],
)
def test_F486_the_program_asks_where_the_gateway_listens(home: Path, host: str, address: str) -> None:
    plan = planned(PROGRAMS["claude"], host=host, port=80, config=None, upstream=None, service=False)
    install(plan, lambda: None)
    told = json.loads((home / KEPT["claude"][0]).read_text())["env"]["ANTHROPIC_BASE_URL"]
    assert told == f"{address}/g/claude/{plan.token}"
    assert guard("claude", "--undo").exit_code == 0


def test_F486_the_host_is_that_of_the_configuration(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANES_GATEWAY_HOST", "::1")
    assert "http://[::1]:8765/g/claude/TOKEN" in guard("claude").output


def test_a_port_that_changes_at_each_start_is_refused(home: Path) -> None:
    with pytest.raises(ConfigError, match=r"gateway\.port is 0"):
        planned(PROGRAMS["claude"], port=0, config=None, upstream=None, service=False)


def test_an_address_with_quotes_adds_no_setting(home: Path) -> None:
    told = 'https://h.example/v1"\nmodel = "injected'
    (home / KEPT["claude"][0]).write_text(json.dumps({"env": {"ANTHROPIC_BASE_URL": told}}))
    with pytest.raises(ConfigError, match="base_url"):
        write("claude")


def test_a_path_of_any_letters_can_be_written(home: Path) -> None:
    for value in ("/home/\N{GRINNING FACE}/x", 'a"b\\c', "a\nb\x7f"):
        changed = files.appended(home / "lanes.toml", toml_table("[[watch]]", WATCH | {"files": value}))
        assert tomllib.loads(changed.after)["watch"] == [WATCH | {"files": value}]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "{ }\n",
        '{"env": {}}',
        '{"env": {"ANTHROPIC_BASE_URL": "x",},}',
        "{'env': {a: [1, {b: 2},],},}",
        "// c\n{}",
    ],
)
def test_a_place_in_json_is_found_however_it_is_written(text: str) -> None:
    path = ("env", "ANTHROPIC_BASE_URL")
    edit = jsontext.setting(text, path, "http://new")
    after = text[: edit.start] + edit.ours + text[edit.end :]
    node = jsontext.node_at(jsontext.parse(after), path)
    assert node is not None
    assert node.value == "http://new"
    if "'" not in text and "//" not in text and ",}" not in text:
        assert json.loads(after)["env"]["ANTHROPIC_BASE_URL"] == "http://new"


@pytest.mark.parametrize("text", ["{", '{"a" 1}', '{"a": }', "{}x", '{"env": 3', '["env"'])
def test_what_is_no_json_is_not_changed(text: str) -> None:
    with pytest.raises(ConfigError, match="nothing was changed"):
        jsontext.setting(text, ("env", "A"), "x")


def test_a_value_that_is_no_object_is_not_replaced() -> None:
    with pytest.raises(ConfigError, match="not an object"):
        jsontext.setting('{"env": 3}', ("env", "A"), "x")
