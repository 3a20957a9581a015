"""The reconciler: what it observes, decides and does; and the abort, which waits for it."""
