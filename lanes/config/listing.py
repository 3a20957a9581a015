"""The list of effective settings with their origins, as ``lanes config`` shows it."""

from collections.abc import Iterable, Mapping

from lanes.base.secrets import command_without_secrets, without_secrets
from lanes.base.terminal import without_password
from lanes.config.declared.setting import SECTIONS, Kind, Setting
from lanes.config.declared.settings import SETTINGS, settings_of
from lanes.config.declared.values import Origin, Value, written
from lanes.config.reading import limits
from lanes.config.reading.sections import ArrayElement
from lanes.records import SettingValue


def sections(values: Mapping[str, Value]) -> list[SettingValue]:
    """The settings of the plain sections, in the order of the table."""
    return [_shown(setting, values[setting.key]) for setting in SETTINGS if setting.section in SECTIONS]


def arrays(rows: Iterable[ArrayElement], stall_ms: int | None) -> list[SettingValue]:
    """The settings of the arrays of tables; timeouts that nobody set are fitted below ``stall_ms``."""
    listed = []
    for row in rows:
        kind = row.get("kind")
        for name, setting in settings_of(row.array).items():
            value = row.values.get(name)
            if value is not None and (not setting.runner_kinds or kind in setting.runner_kinds):
                listed.append(_shown(setting, _effective(name, value, stall_ms)))
    return listed


def _effective(name: str, value: Value, stall_ms: int | None) -> Value:
    if name not in limits.TIMEOUTS or value.explicit:
        return value
    ms = limits.timeout_below(name, stall_ms)
    return value if ms == value.value else Value(ms, Origin.DERIVED, value.key)


def _shown(setting: Setting, value: Value) -> SettingValue:
    shown = written(setting, value.value)
    if isinstance(shown, str):
        shown = without_password(shown)
    elif isinstance(shown, dict):
        shown = without_secrets(shown)
    elif setting.kind is Kind.WORDS:
        shown = [without_password(word) for word in command_without_secrets(value.value or ())]
    meaning = f"{setting.meaning} ({setting.default_note})" if setting.default_note else setting.meaning
    return SettingValue(value.key, shown, str(value.origin), value.where, meaning)
