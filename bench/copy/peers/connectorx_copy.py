"""ConnectorX to Arrow, pyarrow to Parquet (zstd). Arguments: connection URL, file."""

import sys

import connectorx
import pyarrow.parquet

url, target = sys.argv[1:]
table = connectorx.read_sql(url, "SELECT * FROM t", protocol="binary", return_type="arrow")
pyarrow.parquet.write_table(table, target, compression="zstd")
