"""From schema 2 to schema 3."""

from lanes_storage.interface import Transaction
from lanes_storage.migrations.rebuilding import make, rebuild, statements_of


def step(tx: Transaction) -> None:
    """The events of a lane are found by blocks of the journal; the provider that a run asks is in one column; unused
    indexes are dropped."""
    made_by = statements_of("schema_3.sql")
    rebuild(tx, "runs", made_by, {})
    for table in ("lanes", "pauses", "messages"):
        rebuild(tx, table, made_by, {})
    make(tx, "event_blocks", made_by)
    tx.run(
        """INSERT INTO event_blocks (lane_id, block)
        SELECT DISTINCT lane_id, id / 64 FROM events WHERE lane_id IS NOT NULL ORDER BY 1, 2""",
        {},
    )
    for needless in ("events_of_lane", "waits_message"):
        tx.run(f"DROP INDEX {needless}", {})
