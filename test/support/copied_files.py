"""Compares files that a copy wrote with the rule its rows were made by, in DuckDB.

    copied_files.py parquet|csv FILE...    prints {"rows", "keys", "wrong"}; the rule is in copied-rows.ts
"""

import json
import sys

import duckdb

kind, *files = sys.argv[1:]
reader = {
    "parquet": "read_parquet($files)",
    "csv": "read_csv($files, all_varchar = true, header = true)",
}[kind]
rows, keys, wrong = duckdb.execute(
    f"""
    SELECT count(*), count(DISTINCT id), count(*) FILTER (WHERE name IS DISTINCT FROM 'row ' || id || ' é|"'
        OR price IS DISTINCT FROM (id * 1.07)::DECIMAL(12, 2)
        OR moment IS DISTINCT FROM TIMESTAMP '2024-02-29 12:00:00.123456' + to_seconds(id // 100)
        OR filler IS DISTINCT FROM repeat('x', CASE WHEN id <= 1000 THEN 6000 ELSE 20 END))
    FROM (SELECT id::BIGINT AS id, name, price::DECIMAL(12, 2) AS price, moment::TIMESTAMP AS moment, filler FROM {reader})
    """,
    {"files": files},
).fetchone()
print(json.dumps({"rows": rows, "keys": keys, "wrong": wrong}))
