"""The ways from an older schema to the next. Each step is frozen once it is released: it names what it makes in text of
its own, so that it still gives that version when the tables have gone further."""
