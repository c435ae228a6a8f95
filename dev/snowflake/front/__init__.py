"""A Snowflake stand-in: the wire protocol of Snowflake's drivers over the fakesnow SQL engine (DuckDB)."""
