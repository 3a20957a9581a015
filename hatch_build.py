"""What the package index shows: README, whose links lead nowhere there as they stand.

They are made absolute where `[project.urls]` names a Repository; until it does, paths stand in their place.
"""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

#: A picture, or a link to a file of the repository: what is shown, and the path.
RELATIVE = re.compile(r"(!?)\[([^\]]+)\]\((?!https?://|#|mailto:)([^)\s]+)\)")


class CustomMetadataHook(MetadataHookInterface):
    """Sets the readme."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Called by hatchling."""
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        repository = metadata.get("urls", {}).get("Repository")
        metadata["readme"] = {"content-type": "text/markdown", "text": placed(text, repository)}


def placed(text: str, repository: str | None) -> str:
    """README as somebody reads it who has nothing else of the repository."""

    def link(found: re.Match[str]) -> str:
        picture, shown, path = found.groups()
        if repository is None:
            return "" if picture else f"{shown} (`{path}`)"
        return f"{picture}[{shown}]({repository}/{'raw' if picture else 'blob'}/main/{path})"

    return RELATIVE.sub(link, text)
