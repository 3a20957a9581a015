from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lanes.base.errors import ConfigError
from lanes.config import SETTINGS, Config, Kind, RunnerConfig, from_data, load, simulated
from lanes.config.declared.setting import SECTIONS
from lanes_storage.law import RunnerKind
from tests.config.conftest import RUNNER, Load, Write

FULL = """\
[database]
url = "sqlite:///var/lanes.db"
synchronous = "normal"

[gateway]
host = "127.0.0.1"
port = 9000
session_from = ["user"]

[clocks]
run_timeout = "10m"
stall_timeout = "off"

[queue]
mode = "queue"
cap = 3
overflow = "reject"

[[runner]]
name = "chat"
kind = "provider"
providers = ["codex", "backup"]
system = "Be brief."

[[runner]]
name = "own"
kind = "python"
target = "package.module:Class.method"
max_runs = 4

[[provider]]
name = "codex"
base_url = "https://api.example.com/v1/"
model = "gpt-5.5"
trace = true
api_key_env = "CODEX_KEY"
idle_timeout = "20s"

[[provider]]
name = "backup"
dialect = "chat"
base_url = "http://127.0.0.1:8000"
model = "m"

[[policy]]
match = "agent:*:feishu:group:*"
runner = "own"
run_timeout = "30m"
cap = 7
"""


def test_every_part_of_a_file(loaded: Load, tmp_path: Path) -> None:
    config = loaded(FULL, {"CODEX_KEY": " k-1\n"})
    assert config.source == tmp_path / "lanes.toml"
    assert config.database.url == f"sqlite:///{tmp_path}/var/lanes.db"
    assert config.database.synchronous == "normal"
    assert (config.gateway.host, config.gateway.port) == ("127.0.0.1", 9000)
    assert config.gateway.session_from == ("user",)
    assert (config.clocks.run_timeout_ms, config.clocks.stall_timeout_ms) == (600_000, None)
    assert config.runners == (
        RunnerConfig("chat", RunnerKind.PROVIDER, 1000, ("codex", "backup"), system="Be brief."),
        RunnerConfig("own", RunnerKind.PYTHON, 16 // 4, target="package.module:Class.method"),
    )
    assert list(config.providers) == ["codex", "backup"]
    codex = config.providers["codex"]
    assert (codex.base_url, codex.model, codex.dialect) == ("https://api.example.com/v1", "gpt-5.5", "chat")
    assert (codex.api_key, codex.idle_timeout_ms, codex.first_byte_timeout_ms) == ("k-1", 20_000, 45_000)
    assert config.providers["backup"].api_key is None
    assert (codex.trace, config.providers["backup"].trace) == (True, False)
    assert config.policy("agent:a:feishu:group:b").runner == "own"
    assert config.runner("own") is config.runners[1]
    assert config.runner("none") is None


def test_nothing_configured(loaded: Load) -> None:
    config = loaded("")
    assert (config.runners, config.providers, config.policies) == ((), {}, ())
    assert config.database.url is None
    assert config.gateway.port == 8765
    assert config.gateway.max_body_bytes == 8 * 1024 * 1024
    assert config.policy("any").runner == ""
    assert config.policy("any").cap == 20


def test_the_file_that_counts(tmp_path: Path, home: Mapping[str, str]) -> None:
    def port(path: Path | None = None, *, named: str = "", xdg: str = "") -> int:
        env = {**home, "LANES_CONFIG": named, "XDG_CONFIG_HOME": xdg}
        return load(path, env=env, cwd=tmp_path / "work").gateway.port

    places = {
        "own": Path(home["HOME"], ".config/lanes/lanes.toml"),
        "xdg": tmp_path / "xdg/lanes/lanes.toml",
        "here": tmp_path / "work/lanes.toml",
        "named": tmp_path / "work/named.toml",
        "flag": tmp_path / "flag.toml",
    }
    for number, path in enumerate(places.values(), start=1):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"[gateway]\nport = {number}\n")
    xdg = str(tmp_path / "xdg")
    assert port(places["flag"], named="named.toml") == 5
    assert port(Path("named.toml")) == 4
    assert port(named="named.toml") == 4
    assert port(xdg=xdg) == 3
    places["here"].unlink()
    assert port(xdg=xdg) == 2
    assert port(xdg="relative/is/ignored") == 1
    places["own"].unlink()
    assert port() == 8765


def test_a_file_that_was_named_must_exist(tmp_path: Path, home: Mapping[str, str]) -> None:
    with pytest.raises(ConfigError, match="there is no such configuration file"):
        load(tmp_path / "none.toml", env=home)
    with pytest.raises(ConfigError, match=r"none\.toml: there is no such"):
        load(env={**home, "LANES_CONFIG": "none.toml"}, cwd=tmp_path)
    with pytest.raises(ConfigError, match="it cannot be read"):
        load(tmp_path, env=home)


def test_F1096_a_file_is_named_without_the_folders_that_its_name_led_through(
    tmp_path: Path, home: Mapping[str, str]
) -> None:
    """Where one of them was removed, no folder of a run could be made."""
    (tmp_path / "release").mkdir()
    (tmp_path / "lanes.toml").write_text("", encoding="utf-8")
    for named in (
        load(Path("../lanes.toml"), env=home, cwd=tmp_path / "release"),
        load(env={**home, "LANES_CONFIG": "../lanes.toml"}, cwd=tmp_path / "release"),
    ):
        assert named.source == tmp_path / "lanes.toml"


def test_a_folder_that_was_deleted_has_the_name_that_it_had(
    tmp_path: Path, home: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    assert load(env={**home, "PWD": str(folder)}).source is None
    config = load(env={**home, "PWD": str(folder), "LANES_DB": "lanes.db"})
    assert config.database.url == str(folder / "lanes.db")
    assert load(env=home).gateway.port == 8765


def test_a_byte_order_mark_and_other_line_ends(write: Write, home: Mapping[str, str]) -> None:
    path = write("")
    path.write_bytes(b"\xef\xbb\xbf[gateway]\r\nport = 1\r\n")
    config = load(path, env=home)
    assert config.gateway.port == 1
    assert config.values["gateway.port"].where == f"{path}:2"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("lanes.db", "{0}/lanes.db"),
        ("/var/lanes.db", "/var/lanes.db"),
        ("sqlite:///a b/x.db", "sqlite:///{0}/a b/x.db"),
        ("sqlite:////var/x.db", "sqlite:////var/x.db"),
        ("postgresql://user@host/db", "postgresql://user@host/db"),
    ],
)
def test_a_relative_database_starts_at_the_folder_of_what_named_it(
    loaded: Load, tmp_path: Path, url: str, expected: str
) -> None:
    expected = expected.format(tmp_path)
    assert loaded(f"[database]\nurl = '{url}'").database.url == expected
    assert loaded("", {"LANES_DB": url}).database.url == expected
    assert loaded("", database__url=url).database.url == expected


def test_flag_over_environment_over_file_over_default(loaded: Load) -> None:
    def port(config: Config) -> tuple[int, str]:
        return config.gateway.port, str(config.values["gateway.port"].origin)

    text, env = "[gateway]\nport = 1", {"LANES_GATEWAY_PORT": "2"}
    assert port(loaded(text, env, gateway__port=3)) == (3, "flag")
    assert port(loaded(text, env)) == (2, "environment")
    assert port(loaded(text)) == (1, "file")
    assert port(loaded("")) == (8765, "default")


def test_every_scalar_setting_has_its_variable(loaded: Load) -> None:
    values = {
        "url": "/x.db",
        "token_file": "/t",
        "on_interrupt": "pause",
        "on_survivors": "start",
        "host": "::1",
        "hold_while_retrying": "false",
        "max_per_minute": 60,
    }
    values |= dict.fromkeys(("before_run", "after_run", "notice"), "module:function")
    for setting in SETTINGS:
        if setting.section not in SECTIONS or setting.kind in (Kind.TEXTS, Kind.FIELDS):
            assert setting.variable is None
            continue
        assert setting.variable == f"LANES_{setting.section.upper()}_{setting.name.upper()}"
        text = str(values.get(setting.name, setting.default))
        value = loaded("", {setting.variable: text}).values[setting.key]
        assert (value.origin, value.where) == ("environment", f"environment variable {setting.variable}")


def test_an_empty_variable_is_none(loaded: Load) -> None:
    config = loaded("", {"LANES_DB": "", "LANES_GATEWAY_PORT": "", "LANES_QUEUE_CPA": ""})
    assert config.database.url is None
    assert config.gateway.port == 8765


def test_other_variables_are_no_settings(loaded: Load) -> None:
    assert loaded("", {"LANES_RUN_ID": "7", "LANES_URL": "http://x", "LANES_GATEWAYS": "x"}).values


def test_from_data(home: Mapping[str, str], tmp_path: Path) -> None:
    config = from_data({"clocks": {"abort_grace": "1s"}, "database": {"url": "x.db"}}, env=home, cwd=tmp_path)
    assert config.source is None
    assert config.clocks.abort_grace_ms == 1_000
    assert config.database.url == str(tmp_path / "x.db")
    with pytest.raises(ConfigError, match=r"^configuration: gateway\.prot: unknown name"):
        from_data({"gateway": {"prot": 1}}, env=home)
    bad: list[Any] = [None, [], "x.db"]
    for data in bad:
        with pytest.raises(ConfigError, match="a mapping of sections"):
            from_data(data, env=home)


def test_the_simulated_provider(home: Mapping[str, str]) -> None:
    config = simulated(
        "http://127.0.0.1:5/v1", env={**home, "LANES_CLOCKS_STALL_TIMEOUT": "2s"}, flags={"gateway.port": 0}
    )
    assert [runner.name for runner in config.runners] == ["chat"]
    assert config.runners[0].providers == ("sim", "sim-backup") == tuple(config.providers)
    assert {(p.base_url, p.model) for p in config.providers.values()} == {("http://127.0.0.1:5/v1", "sim-ok")}
    assert config.clocks.stall_timeout_ms == 2_000
    assert config.providers["sim"].idle_timeout_ms < 2_000
    assert config.gateway.port == 0
    config.check_gateway()


def test_the_simulated_provider_in_place_of_the_real_ones(loaded: Load) -> None:
    real = loaded(FULL, {"CODEX_KEY": "k"})
    config = simulated("http://127.0.0.1:5/v1", over=real, env={})
    assert list(config.providers) == ["sim", "sim-backup"]
    assert config.gateway == real.gateway
    assert config.source == real.source
    policy = config.policy("agent:a:feishu:group:b")
    assert (policy.runner, policy.cap) == ("chat", 7)
    assert config.terms("agent:a:feishu:group:b", RunnerKind.PROVIDER).run_timeout_ms == 1_800_000


def test_the_fingerprint_tells_what_treats_lanes_otherwise(loaded: Load) -> None:
    one = loaded(RUNNER)
    same = loaded(RUNNER + "[gateway]\nport = 1\n[database]\nurl = 'x.db'\n")
    assert one.fingerprint == same.fingerprint == loaded(RUNNER).fingerprint
    assert len(one.fingerprint) == 16
    others = {
        loaded(RUNNER + "[clocks]\nabort_grace = '1s'").fingerprint,
        loaded(RUNNER + "[queue]\ncap = 3").fingerprint,
        loaded(RUNNER + "[[policy]]\nmatch = '*'\ncap = 3").fingerprint,
        loaded(RUNNER.replace('"m"', '"n"')).fingerprint,
        loaded("").fingerprint,
    }
    assert len(others | {one.fingerprint}) == 6
