from collections.abc import Mapping
from pathlib import Path

import pytest

from lanes.base.errors import ConfigError
from lanes.base.terminal import without_password
from lanes.config import Config
from tests.config.conftest import RUNNER, Load

KEYED = RUNNER.replace('model = "m"', 'model = "m"\napi_key_env = "SOME_KEY"')


def why_no_gateway(config: Config) -> str:
    with pytest.raises(ConfigError) as caught:
        config.check_gateway()
    return str(caught.value)


def test_the_token_is_that_of_the_environment_where_there_is_one(loaded: Load) -> None:
    config = loaded("", {"LANES_TOKEN": " t0k3n\n"})
    assert (config.gateway.token, config.gateway.token_name) == ("t0k3n", "LANES_TOKEN")
    config = loaded("", {"LANES_TOKEN": ""})
    assert (config.gateway.token, config.gateway.token_name) == (None, "")
    config.check_gateway()


def test_a_secret_in_a_file_beside_the_configuration(loaded: Load, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"\xef\xbb\xbfone\r\n")  # as Windows writes it
    config = loaded(KEYED.replace("api_key_env", "api_key_file").replace("SOME_KEY", "secret"))
    assert config.providers["one"].api_key == "one"
    config = loaded("[gateway]\ntoken_file = 'secret'", {"LANES_TOKEN": "other"})
    assert (config.gateway.token, config.gateway.token_name) == ("one", "secret")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "cannot be read (No such file or directory); check its path and mode"),
        (b"", "is empty; write the secret there"),
        (b"\xff", "is not UTF-8; save it as UTF-8"),
        (b"a\nb", "the secret holds characters that no HTTP header carries; write one line of printable ASCII"),
    ],
)
def test_only_a_gateway_minds_a_secret_that_is_missing(
    loaded: Load, tmp_path: Path, content: bytes | None, why: str
) -> None:
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    config = loaded("[gateway]\ntoken_file = 'secret'")
    assert config.gateway.token is None
    assert why_no_gateway(config).startswith(f"{tmp_path}/lanes.toml:2: gateway.token_file: ")
    assert why_no_gateway(config).endswith(why)


def test_a_variable_that_is_not_set(loaded: Load, tmp_path: Path) -> None:
    config = loaded(KEYED)
    assert config.providers["one"].api_key is None
    assert why_no_gateway(config) == (
        f"{tmp_path}/lanes.toml:5: provider.one.api_key_env: the environment variable SOME_KEY is not set; "
        "set it, or take provider.one.api_key_env out"
    )
    loaded(KEYED, {"SOME_KEY": "k"}).check_gateway()


def test_a_token_that_someone_asked_for_is_never_quietly_left_out(loaded: Load) -> None:
    config = loaded("[gateway]\ntoken_env = 'LANES_TOKEN'")
    assert "the environment variable LANES_TOKEN is not set" in why_no_gateway(config)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "LOCALHOST"])
def test_loopback_needs_no_token(loaded: Load, host: str) -> None:
    loaded("", gateway__host=host).check_gateway()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.com", "localhost.example.com"])
def test_listening_elsewhere_needs_a_token(loaded: Load, host: str) -> None:
    assert why_no_gateway(loaded("", gateway__host=host)) == (
        f"command line: gateway.host: listening on {host} needs a token; "
        "set LANES_TOKEN, token_env or token_file, or listen on 127.0.0.1"
    )
    loaded("", {"LANES_TOKEN": "t"}, gateway__host=host).check_gateway()


def test_no_secret_is_ever_shown(loaded: Load, home: Mapping[str, str]) -> None:
    env = {"LANES_TOKEN": "s3cr3t", "SOME_KEY": "s3cr3t", "LANES_DB": "postgresql://me:s3cr3t@host/db"}
    config = loaded(KEYED, env)
    assert config.database.url == "postgresql://me:s3cr3t@host/db"
    assert "s3cr3t" not in str(config.settings())
    assert "s3cr3t" not in f"{config.gateway!r}{config.providers!r}"
    shown = {s.name: s.value for s in config.settings()}
    assert shown["database.url"] == "postgresql://me@host/db"
    assert shown["provider.one.api_key_env"] == "SOME_KEY"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:p:w@h:5432/d", "postgresql://u@h:5432/d"),
        ("postgresql://:pw@h/d", "postgresql://@h/d"),
        ("postgresql://h:5432/d", "postgresql://h:5432/d"),
        ("sqlite:////a:b@c.db", "sqlite:////a:b@c.db"),
        ("/a:b@c", "/a:b@c"),
        ("/a?key=b", "/a?key=b"),
        ("http://h/?a=1&Access_Token=t#x", "http://h/?a=1&Access_Token=***#x"),
        ("postgresql://h/d?password=pw&sslmode=on", "postgresql://h/d?password=***&sslmode=on"),
    ],
)
def test_a_url_without_its_password(url: str, shown: str) -> None:
    assert without_password(url) == shown


@pytest.mark.parametrize(
    "url",
    [
        "https://me:s3cr3t@h/v1", "https://s3cr3t@h/v1", "htp://me:s3cr3t@h/v1", "me:s3cr3t@h", "https://h/v1?key=s3cr3t",
        "https://h/v1?a=1&api_key=s3cr3t", "https://h/v1#s3cr3t", "https://h/v1?s3cr3t", "https://h/ s3cr3t",
    ],
)  # fmt: skip
def test_the_refusal_of_a_url_with_a_secret_does_not_show_it(loaded: Load, url: str) -> None:
    with pytest.raises(ConfigError) as refused:
        loaded(f'[[provider]]\nname = "p"\nmodel = "m"\nbase_url = "{url}"\n')
    assert "provider.p.base_url" in str(refused.value)
    assert "s3cr3t" not in str(refused.value)


def test_a_secret_that_stands_where_its_variable_is_to_be_named_is_not_shown(loaded: Load) -> None:
    with pytest.raises(ConfigError) as refused:
        loaded(KEYED.replace("SOME_KEY", "sk-s3cr3t"))
    assert "api_key_env" in str(refused.value)
    assert "s3cr3t" not in str(refused.value)


@pytest.mark.parametrize(
    "lines",
    [
        "api_key_env = 'sk-s3cr3t-" + "0815" * 40 + "'",
        "api_key_env = ['s3cr3t']",
        "api_key_header = 'Bearer s3cr3t'",
        "headers = 'Authorization: Bearer s3cr3t'",
        "headers = ['Authorization: Bearer s3cr3t']",
        "headers = { Authorization = ['Bearer s3cr3t'] }",
        "extra_body = 's3cr3t'",
    ],
)
def test_F915_a_secret_in_a_value_of_the_wrong_kind_is_not_shown(loaded: Load, lines: str) -> None:
    with pytest.raises(ConfigError) as refused:
        loaded(RUNNER.replace('model = "m"', f'model = "m"\n{lines}'))
    assert lines.split()[0] in str(refused.value)
    assert "s3cr3t" not in str(refused.value)


@pytest.mark.parametrize(
    "line",
    ["env = { SOME_KEY = 's3cr3t' }", "env = 'SOME_KEY=s3cr3t'", "env = ['SOME_KEY=s3cr3t']", "wrap = 'env K=s3cr3t'"],
)
def test_F915_nor_one_beside_the_name_of_its_variable(loaded: Load, line: str) -> None:
    with pytest.raises(ConfigError) as refused:
        loaded(f"[[runner]]\nname = 'r'\nkind = 'command'\nargv = ['x']\n{line}\n")
    assert line.split()[0] in str(refused.value)
    assert "s3cr3t" not in str(refused.value)


def test_F464_secrets_in_tables_of_a_provider_are_not_shown(loaded: Load) -> None:
    tables = """
    query = { "subscription-key" = "s3cr3t-0815", "api-version" = "2026-01-01" }
    headers = { "X-Vendor-Auth" = "Bearer s3cr3t-0815", "X-Title" = "lanes" }
    extra_body = { vendor = { api_key = "s3cr3t-0815", region = "eu" }, author = "me" }"""
    config = loaded(RUNNER.replace('model = "m"', f'model = "m"{tables}'))
    shown = {setting.name.rpartition(".")[2]: setting.value for setting in config.settings()}
    assert shown["query"] == {"subscription-key": "***", "api-version": "2026-01-01"}
    assert shown["headers"] == {"X-Vendor-Auth": "***", "X-Title": "lanes"}
    assert shown["extra_body"] == {"vendor": {"api_key": "***", "region": "eu"}, "author": "me"}
    assert config.providers["one"].query["subscription-key"] == "s3cr3t-0815"


def test_F464_secrets_in_the_arguments_of_a_program_are_not_shown(loaded: Load) -> None:
    argv = [
        "env",
        "MY_API_KEY=s3cr3t-0815",
        "agent",
        "--token",
        "s3cr3t-0815",
        "--max-tokens=100",
        "--auth=s3cr3t-0815",
    ]
    argv += ["--proxy", "http://me:s3cr3t@host", "-c", "a=b"]
    config = loaded(f"[[runner]]\nname = 'r'\nkind = 'command'\nargv = {argv}")
    (shown,) = (setting.value for setting in config.settings() if setting.name == "runner.r.argv")
    expected = ["env", "MY_API_KEY=***", "agent", "--token", "***", "--max-tokens=100", "--auth=***"]
    assert shown == [*expected, "--proxy", "http://me@host", "-c", "a=b"]
    command = config.runners[0].command
    assert command is not None
    assert list(command.argv) == argv
