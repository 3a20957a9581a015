"""The screens that open over the main one: a lane, the journal, the owners, the dead letters."""
