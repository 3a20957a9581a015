"""The table of settings, what is listed of it, and what loading it costs."""

import os
import subprocess
import sys

import pytest

from lanes import config
from lanes.config import SETTINGS, Kind
from lanes.config.declared.setting import ARRAYS, SECTIONS
from lanes.config.declared.settings import settings_of
from tests.config.conftest import RUNNER, Load

ENV = {"PYTHONPATH": os.pathsep.join(sys.path), "HOME": "/nonexistent"}


def test_the_table_is_sound() -> None:
    assert len({setting.key for setting in SETTINGS}) == len(SETTINGS)
    for setting in SETTINGS:
        assert setting.section in (*SECTIONS, *ARRAYS)
        assert setting.meaning
        assert "\n" not in setting.meaning
        assert setting.default is not None or setting.default_note or setting.required
        assert not setting.choices or setting.kind in (Kind.CHOICE, Kind.TEXTS)


def test_every_clock_of_a_run_may_stand_in_a_policy() -> None:
    process = {"heartbeat_interval", "stale_after", "drain_timeout"}
    assert set(settings_of("clocks")) - set(settings_of("policy")) == process


def test_every_setting_is_listed_with_its_origin_and_meaning(loaded: Load) -> None:
    found = loaded(
        RUNNER
        + "[[runner]]\nname = 'own'\nkind = 'python'\ntarget = 'a:b'\n"
        + "[gateway]\nport = 1\n[clocks]\nrun_timeout = 'off'\n[[policy]]\nmatch = 'a*'\nmax_park = '90s'\n",
        {"LANES_QUEUE_CAP": "3"},
        gateway__host="::1",
    )
    listed = {s.name: s for s in found.settings()}
    assert {s.key for s in SETTINGS if s.section in SECTIONS} <= set(listed)
    origins = {name: (s.value, s.origin) for name, s in listed.items()}
    assert origins["gateway.port"] == (1, "file")
    assert origins["gateway.host"] == ("::1", "flag")
    assert origins["queue.cap"] == (3, "environment")
    assert origins["clocks.run_timeout"] == ("off", "file")
    assert origins["clocks.abort_grace"] == ("10s", "default")
    assert origins["runner.chat.max_runs"] == (1000, "default")
    assert origins["runner.chat.providers"] == (["one"], "file")
    assert origins["runner.own.max_runs"] == (16, "default")
    assert origins["policy[1].match"] == ("a*", "file")
    assert origins["policy[1].max_park"] == ("90s", "file")
    assert "runner.own.providers" not in listed
    assert "runner.chat.target" not in listed
    assert "policy[1].cap" not in listed
    assert listed["gateway.port"].where.endswith("lanes.toml:16")
    assert listed["gateway.port"].meaning.startswith("the port to listen on")
    assert "requeue; fail for programs, Python functions" in listed["queue.on_interrupt"].meaning


def test_a_command_loads_it_without_the_heavy_libraries() -> None:
    code = (
        "import sys; from lanes.base import terminal; from lanes.host import identity\n"
        "from lanes.config import load; from lanes.config.declared import places\n"
        "load(); places.find_database(really_used=bool)\n"
        "heavy = {'asyncio', 'difflib', 'httpx', 'pydantic', 'sqlmodel', 'sqlalchemy', 'starlette', 'textual',\n"
        "         'tomllib', 'hashlib', 'socket', 'psutil', 'click'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], env=ENV, cwd="/", capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_every_public_name_is_there() -> None:
    assert {name for names in config._HOMES.values() for name in names.split()} == set(config.__all__)
    for name in config.__all__:
        assert getattr(config, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'none'"):
        config.none  # noqa: B018 — reading it is the point


def test_a_place_or_a_duration_costs_nothing_of_the_rest() -> None:
    code = (
        "import sys; from lanes.base import durations; from lanes.config.declared import places\n"
        "print(sorted(name for name in sys.modules if name.startswith('lanes.config')))"
    )
    done = subprocess.run([sys.executable, "-c", code], env=ENV, capture_output=True, text=True, check=True)
    assert done.stdout == "['lanes.config', 'lanes.config.declared', 'lanes.config.declared.places']\n"
