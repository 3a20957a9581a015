"""The configuration: ``load`` finds, checks and explains it; ``settings`` has every name.

Everything below is imported when it is first used: a command that only asks for a place or reads a duration
loads nothing of the rest.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lanes.config.config import Config
    from lanes.config.declared.model import (
        Clocks,
        DatabaseConfig,
        GatewayConfig,
        HooksConfig,
        Policy,
        PolicyConfig,
        ProviderConfig,
        RunnerConfig,
    )
    from lanes.config.declared.setting import Kind, Setting
    from lanes.config.declared.settings import SETTINGS
    from lanes.config.declared.values import Origin
    from lanes.config.loading import from_data, load, simulated

#: Where each public name lives.
_HOMES = {
    "config": ("Config",),
    "loading": ("from_data", "load", "simulated"),
    "declared.model": (
        "Clocks",
        "DatabaseConfig",
        "GatewayConfig",
        "HooksConfig",
        "Policy",
        "PolicyConfig",
        "ProviderConfig",
        "RunnerConfig",
    ),
    "declared.setting": ("Kind", "Setting"),
    "declared.settings": ("SETTINGS",),
    "declared.values": ("Origin",),
}
_HOME_OF = {name: f"{__name__}.{home}" for home, names in _HOMES.items() for name in names}

__all__ = [
    "SETTINGS",
    "Clocks",
    "Config",
    "DatabaseConfig",
    "GatewayConfig",
    "HooksConfig",
    "Kind",
    "Origin",
    "Policy",
    "PolicyConfig",
    "ProviderConfig",
    "RunnerConfig",
    "Setting",
    "from_data",
    "load",
    "simulated",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)
