"""The desks that a command may stand at; both can do the same."""

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from lanes.commands.common.local import LocalDesk
    from lanes.commands.common.remote import RemoteDesk  # brings httpx, which only --url needs

AnyDesk: TypeAlias = "LocalDesk | RemoteDesk"
