"""The schema, as SQLModel tables with the rules of ``law`` as CHECK constraints.

This is the only description of the newest schema: a fresh database is created from it, and migrations
(``lanes_storage.schema.versions``) upgrade an older one to it. Nothing on the hot path imports this package.

Times are whole milliseconds; ``…_at`` is wall time, ``…_boot`` the boot clock of the writer.
"""

from lanes_storage.schema import (  # noqa: F401 - defines the tables
    conversations,
    journal,
    lanes,
    messages,
    owners,
    providers,
    runs,
    sightings,
)
from lanes_storage.schema.columns import Table

metadata = Table.metadata
