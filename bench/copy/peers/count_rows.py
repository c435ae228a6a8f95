"""Prints how many rows the Parquet or CSV files below a folder hold. Argument: the folder."""

import gzip
import sys
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet

total = 0
for file in sorted(Path(sys.argv[1]).rglob("*")):
    if "_dlt" in str(file) or "/state/" in str(file) or "_waybill" in str(file) or not file.is_file():
        continue
    if file.suffix == ".parquet":
        total += pyarrow.parquet.ParquetFile(file).metadata.num_rows
    elif file.name.endswith(".csv.gz"):
        options = pyarrow.csv.ParseOptions(newlines_in_values=True)
        with gzip.open(file, "rb") as text:
            # psql writes no header; the others do, and it is one row more.
            header = text.readline().startswith((b"id,", b'"id"'))
        with pyarrow.csv.open_csv(
            file, parse_options=options, read_options=pyarrow.csv.ReadOptions(autogenerate_column_names=True)
        ) as batches:
            total += sum(batch.num_rows for batch in batches) - (1 if header else 0)
print(total)
