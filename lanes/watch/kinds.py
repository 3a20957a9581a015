"""The adapters: one for each kind of gateway that can be watched."""

from pathlib import Path
from typing import TYPE_CHECKING

from lanes.config.declared import places
from lanes.config.declared.model import WatchConfig

if TYPE_CHECKING:
    from lanes.watch.adapter import Adapter


def keys_folder() -> Path:
    """Where the keys of paired devices are kept: in the user's state directory."""
    return places.state_dir() / "watch"


def adapter_of(watch: WatchConfig, keys: Path) -> "Adapter":
    """The adapter of a configured gateway; ``keys``: the folder of paired devices."""
    token = watch.token or ""
    match watch.kind:
        case "opencode":
            from lanes.watch.programs.opencode import OpencodeAdapter

            return OpencodeAdapter(watch.url, token=token)
        case "codex":
            from lanes.watch.programs.codex import CodexAdapter

            return CodexAdapter(watch.url, token=token)
        case "langgraph":
            from lanes.watch.programs.langgraph import LangGraphAdapter

            return LangGraphAdapter(watch.url, token=token)
    from lanes.watch.openclaw.adapter import OpenClawAdapter

    return OpenClawAdapter(watch.name, watch.url, keys, files=watch.files, token=token)
