"""docs/configuration.md says of every setting what the table says, and of no other."""

import re
from pathlib import Path

from lanes.config import SETTINGS, Kind, Setting

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")


def line(setting: Setting, named: str = "") -> str:
    """A setting as the page shows it."""
    default = "`[]`" if setting.default == () else f"`{setting.default}`"
    default = default.lower() if setting.kind is Kind.FLAG else default
    shown = "needed" if setting.required else setting.default_note or default
    choices = f" ({', '.join(setting.choices)})" if setting.choices else ""
    return f"| `{named or setting.name}` | {shown} | {setting.meaning}{choices}{' *' if setting.in_policy else ''} |"


def lines_of(setting: Setting) -> list[str]:
    """A setting, and the fields of one that is a table."""
    return [line(setting), *(line(field, f"{setting.name}.{field.name}") for field in setting.fields)]


def test_every_setting_is_on_the_page_in_its_section_and_no_other() -> None:
    sections = re.split(r"^## `\[+(\w+)\]+`$", PAGE, flags=re.MULTILINE)
    for section, text in zip(sections[1::2], sections[2::2], strict=True):
        lines = [found for found in text.splitlines() if found.startswith("| `")]
        assert lines == [each for setting in SETTINGS if setting.section == section for each in lines_of(setting)]
    assert set(sections[1::2]) == {setting.section for setting in SETTINGS}
