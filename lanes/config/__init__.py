"""The configuration: ``load`` finds, checks and explains it. Quick to import; see ``settings`` for every name."""

from lanes.config.config import Config
from lanes.config.loading import from_data, load, simulated
from lanes.config.model import (
    Clocks,
    DatabaseConfig,
    GatewayConfig,
    Policy,
    PolicyConfig,
    ProviderConfig,
    RunnerConfig,
    SettingValue,
)
from lanes.config.settings import SETTINGS, Kind, Setting
from lanes.config.values import Origin

__all__ = [
    "SETTINGS",
    "Clocks",
    "Config",
    "DatabaseConfig",
    "GatewayConfig",
    "Kind",
    "Origin",
    "Policy",
    "PolicyConfig",
    "ProviderConfig",
    "RunnerConfig",
    "Setting",
    "SettingValue",
    "from_data",
    "load",
    "simulated",
]
