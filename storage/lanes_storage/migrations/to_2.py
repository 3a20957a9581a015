"""From schema 1, that of lanes 0.1, to schema 2."""

from lanes_storage.interface import Transaction
from lanes_storage.migrations.rebuilding import make, rebuild, statements_of

#: The reasons with which 0.1 paused a lane automatically; any other reason came from a person.
KIND = """CASE WHEN pause_until IS NULL AND pause_reason IN ('survivors', 'interrupted', 'restored')
  THEN pause_reason ELSE 'hand' END"""

#: The process that held the run, or default values if the row of that process was pruned. 0.1 did not store in which
#: process the run waits; such a wait ended with the run.
WAITER = {"host": "''", "boot_id": "''", "pid_ns": "''", "pid": "0", "start_time": "0"}


def step(tx: Transaction) -> None:
    """Pauses and the health of providers move to separate tables; columns for later features are added."""
    made_by = statements_of("schema_2.sql")
    make(tx, "pauses", made_by)
    tx.run(
        f"""INSERT INTO pauses (lane_id, kind, reason, actor, at, until)
        SELECT id, {KIND}, pause_reason, pause_actor, pause_at, pause_until FROM lanes
        WHERE pause_at IS NOT NULL ORDER BY id""",
        {},
    )
    make(tx, "providers", made_by)
    tx.run(
        """INSERT INTO providers (provider, cause, since, until, tries)
        SELECT provider, cause, since, until, tries FROM cooldowns""",
        {},
    )
    tx.run("DROP TABLE cooldowns", {})
    rebuild(tx, "lanes", made_by, {"conversation": "1"})
    of_lane = "(SELECT l.anonymous FROM lanes l WHERE l.id = messages.lane_id)"
    rebuild(tx, "messages", made_by, {"anonymous": f"coalesce({of_lane}, false)"})
    holder = "(SELECT o.{} FROM runs r JOIN owners o ON o.id = r.owner_id WHERE r.id = waits.run_id)"
    rebuild(tx, "waits", made_by, {name: f"coalesce({holder.format(name)}, {none})" for name, none in WAITER.items()})
    rebuild(
        tx,
        "runs",
        made_by,
        {
            "process_boot_id": "CASE WHEN process_host IS NOT NULL THEN boot_id END",
            "process_pid": "process_group",
        },
    )
    rebuild(tx, "owners", made_by, {})
