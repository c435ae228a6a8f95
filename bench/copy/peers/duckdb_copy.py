"""DuckDB with its PostgreSQL scanner: table t to one file. Arguments: connection string, file, "parquet" or "csv"."""

import sys
from pathlib import Path

import duckdb
import duckdb_extension_postgres_scanner

source, target, form = sys.argv[1:]
connection = duckdb.connect(config={"threads": 2, "memory_limit": "4GB", "allow_unsigned_extensions": "true"})
home = Path(duckdb_extension_postgres_scanner.__file__).parent
connection.execute(f"LOAD '{next(home.rglob('*.duckdb_extension'))}'")
connection.execute(f"ATTACH '{source}' AS pg (TYPE postgres, READ_ONLY)")
how = "FORMAT parquet, COMPRESSION zstd" if form == "parquet" else "FORMAT csv, COMPRESSION gzip"
connection.execute(f"COPY pg.t TO '{target}' ({how})")
