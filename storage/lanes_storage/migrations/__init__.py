"""The steps from the schema of one release to the next. The newest one makes the tables of ``lanes_storage.schema``.
Before these change after its release, it is frozen: what it ran is stored beside it as SQL, and runs from then on."""
