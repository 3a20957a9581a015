"""Migrations, each from the schema of one release to that of the next. The newest one creates the tables of
``lanes_storage.schema``. Once it is released, and before those tables change again, its statements are stored beside it
as SQL, which it runs from then on."""
