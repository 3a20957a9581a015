"""Checked values of all settings, from a document, the environment and flags."""

import re
from collections.abc import Container, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from lanes.base.errors import ConfigError
from lanes.base.terminal import without_password
from lanes.config.declared.places import home_dir
from lanes.config.declared.refusal import refusal, shown, unknown
from lanes.config.declared.setting import ARRAYS, SECTIONS, Kind, Setting
from lanes.config.declared.settings import SETTINGS, settings_of
from lanes.config.declared.values import Origin, Value, default_of, from_text, from_toml
from lanes.config.reading.document import Document
from lanes.config.reading.secrets import NAMED_INSTEAD

T = TypeVar("T")

#: Variables that Kubernetes sets for a service: its host, its ports, and each port as an address and in parts.
_SERVICE = re.compile(r".*(_SERVICE_HOST|_SERVICE_PORT(_\w+)?|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)")
_ADDRESS = re.compile(r"(tcp|udp|sctp)://")


class ArrayElement(NamedTuple):
    """One element of ``array``: ``label`` names it (``runner.chat``), ``where`` is its header's line."""

    array: str
    label: str
    where: str
    values: dict[str, Value]

    def get(self, name: str) -> Any:
        """The value of a setting, None where it has none."""
        value = self.values.get(name)
        return value.value if value else None

    def refused(self, problem: str, fix: str) -> ConfigError:
        """The error that refuses this element."""
        return refusal(self.where, self.label, problem, fix)


def filled(cls: type[T], settings: Mapping[str, Value], **overrides: Any) -> T:
    """An object of the model: each of its fields is the setting of that name (``…_ms``: a duration), or one of
    ``overrides``."""
    names = [field.name for field in fields(cls) if field.name not in overrides]  # type: ignore[arg-type]
    return cls(**{name: settings[name.removesuffix("_ms")].value for name in names}, **overrides)


def check_unique(row: ArrayElement, taken: Container[str]) -> None:
    """Refuse a name that another element has. Raises ConfigError."""
    name = row.values["name"]
    if name.value in taken:
        raise name.refused(f"the name {shown(name.value)} is taken", "give each its own name")


def check_names(doc: Document) -> None:
    """Refuse top-level names that do not exist, and tables of the wrong form. Raises ConfigError."""
    for name, content in doc.data.items():
        where = doc.where(name)
        if name not in (*SECTIONS, *ARRAYS):
            raise unknown(where, "", name, (*SECTIONS, *ARRAYS))
        if name in SECTIONS and not isinstance(content, dict):
            raise refusal(where, name, "it is not a table", f"write [{name}], and its settings below")
        if name in ARRAYS and not (isinstance(content, list) and all(isinstance(c, dict) for c in content)):
            raise refusal(where, name, "it is not an array of tables", f"write [[{name}]], with two brackets")


def tables(doc: Document, env: Mapping[str, str], flags: Mapping[str, Any], cwd: Path) -> dict[str, Value]:
    """The values of all settings in plain sections, by key: flag over environment over file over default."""
    known = {s.key: s for s in SETTINGS if s.section in SECTIONS}
    values = {key: default_of(setting) for key, setting in known.items()}
    for section in SECTIONS:
        for name, raw in doc.data.get(section, {}).items():
            where = doc.where(section, name)
            setting = _known(section, name, where, f"{section}.{name}")
            value = from_toml(setting, raw, Origin.FILE, where, setting.key)
            values[setting.key] = _anchored(setting, value, doc.folder)
    for value in _from_environment(env):
        values[value.key] = _anchored(known[value.key], value, cwd)
    for key, raw in flags.items():
        if raw is None:
            continue
        if key not in known:
            raise unknown("command line", "", key, known)
        values[key] = _anchored(known[key], from_toml(known[key], raw, Origin.FLAG, "command line", key), cwd)
    return values


def rows(doc: Document, array: str, origin: Origin = Origin.FILE) -> list[ArrayElement]:
    """The elements of an array of tables, each with what it sets and, unless it is a policy, its defaults."""
    return [_row(doc, array, index, table, origin) for index, table in enumerate(doc.data.get(array, []))]


def _row(doc: Document, array: str, index: int, table: Mapping[str, Any], origin: Origin) -> ArrayElement:
    name = table.get("name")
    named = isinstance(name, str) and name.strip() != ""
    label = f"{array}.{name}" if named else f"{array}[{index + 1}]"
    row = ArrayElement(array, label, doc.where(array, index), {})
    for key, raw in table.items():
        where = doc.where(array, index, key)
        setting = _known(array, key, where, f"{label}.{key}")
        if setting.key == "provider.api_key" and raw not in setting.choices:  # not shown: it may be the key itself
            fix = 'use api_key_env or api_key_file, or write api_key = "client"'
            raise refusal(where, f"{label}.{key}", "secrets are named, never written", fix)
        value = from_toml(setting, raw, origin, where, f"{label}.{key}")
        row.values[key] = _anchored(setting, value, doc.folder)
    for setting in settings_of(array).values():
        if setting.required and setting.name not in row.values:
            raise refusal(row.where, label, f"{setting.name} is missing", f"add {setting.name}: {setting.meaning}")
        if setting.name not in row.values and array != "policy":
            value = default_of(setting)._replace(key=f"{label}.{setting.name}")
            row.values[setting.name] = _anchored(setting, value, doc.folder)
    return row


def _known(section: str, name: str, where: str, key: str) -> Setting:
    known = settings_of(section)
    if name in known:
        return known[name]
    if name in NAMED_INSTEAD:
        raise refusal(where, key, "secrets are named, never written", f"use {name}_env or {name}_file")
    home = next((s.section for s in SETTINGS if s.name == name and s.section in SECTIONS), None)
    if home:
        of_process = section == "policy"
        problem = "it holds for a whole process, not for some lanes" if of_process else "it does not belong here"
        raise refusal(where, key, problem, f"set it in [{home}]")
    raise unknown(where, key, name, known)


def _from_environment(env: Mapping[str, str]) -> list[Value]:
    """The values of ``LANES_<SECTION>_<NAME>`` and ``LANES_DB``. An empty variable counts as not set."""
    known = {s.variable: s for s in SETTINGS if s.variable}
    prefixes = tuple(f"LANES_{section.upper()}_" for section in SECTIONS)
    values = []
    for variable, text in sorted(env.items()):
        if text and variable.startswith(prefixes) and not _of_a_service(variable, text):
            where = f"environment variable {variable}"
            if variable not in known:
                lists = [s.name for s in SETTINGS if f"LANES_{s.section}_{s.name}".upper() == variable]
                hint = "a list is set in the file only" if lists else "unset it"
                raise unknown(where, "", variable, () if lists else known, hint)
            values.append(from_text(known[variable], text, Origin.ENVIRONMENT, where))
    if database := env.get("LANES_DB"):
        other = env.get("LANES_DATABASE_URL")
        if other and other != database:
            where = "environment variable LANES_DB"
            raise refusal(where, "", "contradicts LANES_DATABASE_URL", "unset one of the two")
        value = from_text(known["LANES_DATABASE_URL"], database, Origin.ENVIRONMENT, "environment variable LANES_DB")
        values = [v for v in values if v.key != value.key] + [value]
    return values


def _of_a_service(variable: str, text: str) -> bool:
    """Whether Kubernetes set the variable, as it does in every container if a service is named, say, lanes-gateway."""
    return _SERVICE.fullmatch(variable) is not None or (variable.endswith("_PORT") and _ADDRESS.match(text) is not None)


def _anchored(setting: Setting, value: Value, folder: Path) -> Value:
    """The value with a relative path made absolute; ``folder``: what it is relative to. Raises ConfigError for a
    database URL that lanes does not support."""
    if setting.kind is Kind.WORDS and value.value:
        program, *words = value.value
        if program.startswith("~/"):
            program = str(home_dir() / program[2:])
        elif "/" in program and setting.section == "alert":  # a runner's is relative to the folder of its run
            program = str(folder / program)
        return value._replace(value=(program, *words))
    if setting.kind is not Kind.PATH or value.value is None:
        return value
    key, text = setting.key, value.value
    if key != "database.url" or "://" not in text:
        if text == ":memory:":
            raise refusal(value.where, key, "a database in memory cannot be shared", "name a file")
        return value._replace(value=str(home_dir() / text[2:] if text.startswith("~/") else folder / text))
    scheme, _, rest = text.partition("://")
    if scheme == "sqlite" and len(rest) > 1 and rest.startswith("/"):
        path = rest if rest.startswith("//") else f"/{folder / rest[1:]}"
        return value._replace(value=f"sqlite://{path}")
    if scheme == "postgresql" and rest:
        if value.origin is Origin.FILE and without_password(text) != text:
            fix = "leave the password out, and name the whole URL in LANES_DB"
            raise refusal(value.where, key, "secrets are named, never written", fix)
        return value
    fix = "write a path, sqlite:///path or postgresql://…"
    raise refusal(value.where, key, f"{scheme}:// with that path is not a database that lanes knows", fix)
