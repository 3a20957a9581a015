"""A configuration file in a folder of its own, and a user whose folders are empty."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from lanes.base.errors import ConfigError
from lanes.config import Config, load

Write = Callable[[str], Path]
Load = Callable[..., Config]
Refuse = Callable[..., str]

#: A provider and a runner, for tests that are about something else. It has ten lines.
RUNNER = """\
[[provider]]
name = "one"
base_url = "http://127.0.0.1:1/v1"
model = "m"

[[runner]]
name = "chat"
kind = "provider"
providers = ["one"]

"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of a user who has nothing yet; also that of this process."""
    env = {"HOME": str(tmp_path / "home")}
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    return env


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write ``lanes.toml`` and return its path."""

    def write_file(text: str) -> Path:
        path = tmp_path / "lanes.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


@pytest.fixture
def loaded(write: Write, home: Mapping[str, str], tmp_path: Path) -> Load:
    """Load a file of that text, with further environment variables and flags."""

    def load_text(text: str = "", env: Mapping[str, str] | None = None, **flags: Any) -> Config:
        given = {name.replace("__", "."): value for name, value in flags.items()}
        return load(write(text), env={**home, **(env or {})}, cwd=tmp_path, flags=given)

    return load_text


@pytest.fixture
def refused(loaded: Load, tmp_path: Path) -> Refuse:
    """The sentence with which a file of that text is refused, its path shortened to the file's name."""

    def refuse_text(text: str = "", env: Mapping[str, str] | None = None, **flags: Any) -> str:
        with pytest.raises(ConfigError) as caught:
            loaded(text, env, **flags)
        return str(caught.value).replace(f"{tmp_path}/", "")

    return refuse_text
