"""The configuration: ``load`` finds, reads and checks it; ``SETTINGS`` declares every setting.

Everything below is imported when it is first used, so that a command that only needs a path or a duration loads
nothing else.
"""

from typing import TYPE_CHECKING

from lanes_storage.lazily import lazily

if TYPE_CHECKING:
    from lanes.config.config import Config as Config
    from lanes.config.declared.model import (
        Clocks as Clocks,
        DatabaseConfig as DatabaseConfig,
        GatewayConfig as GatewayConfig,
        HooksConfig as HooksConfig,
        Policy as Policy,
        PolicyConfig as PolicyConfig,
        ProviderConfig as ProviderConfig,
        RunnerConfig as RunnerConfig,
    )
    from lanes.config.declared.setting import Kind as Kind, Setting as Setting
    from lanes.config.declared.settings import SETTINGS as SETTINGS
    from lanes.config.declared.values import Origin as Origin
    from lanes.config.loading import from_data as from_data, load as load, simulated as simulated

#: The module that defines each public name.
_HOMES = {
    ".config": "Config",
    ".loading": "from_data load simulated",
    ".declared.model": (
        "Clocks DatabaseConfig GatewayConfig HooksConfig Policy PolicyConfig ProviderConfig RunnerConfig"
    ),
    ".declared.setting": "Kind Setting",
    ".declared.settings": "SETTINGS",
    ".declared.values": "Origin",
}

__all__ = sorted(" ".join(_HOMES.values()).split())
__getattr__ = lazily(__name__, _HOMES)
