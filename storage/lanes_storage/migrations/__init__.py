"""The steps from an older schema to the next. Each step is frozen once it is released: it contains its schema as text,
so that it still creates that version when the tables have changed later."""
