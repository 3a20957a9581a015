"""The table of verbs: everything that a surface can do with lanes, each declared once.

A verb is a decorated function (``lanes.verbs.verb``). Its parameters have kinds (``.kinds``); it returns an effect
(``lanes.base.procedure``), which a driver (``lanes.drivers``) runs.
"""

from types import ModuleType
from typing import Any

from lanes.verbs.verb import Verb


def table() -> dict[str, Verb[..., Any]]:
    """All verbs by name, in the order of the help."""
    from lanes.verbs import conversations, examining, messages, sending, system
    from lanes.verbs.control import aborting, pausing
    from lanes.verbs.queries import listing, looking, searching

    of_lanes = (aborting, pausing, listing, searching, looking)
    modules: tuple[ModuleType, ...] = (sending, *of_lanes, messages, conversations, system, examining)
    found = (each for module in modules for each in vars(module).values())
    return {each.name: each for each in found if isinstance(each, Verb)}
