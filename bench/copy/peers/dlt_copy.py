"""dlt: table t to Parquet files or to PostgreSQL. Arguments: connection URL, folder, "parquet" or "postgres".

The ConnectorX backend is the fastest that dlt has for this table; into PostgreSQL its CSV loader is.
"""

import os
import sys

import dlt
from dlt.sources.sql_database import sql_table

url, folder, form = sys.argv[1:]
os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
table = sql_table(
    credentials=url.replace("postgresql://", "postgresql+psycopg2://"),
    table="t",
    backend="connectorx",
    reflection_level="full_with_precision",
    backend_kwargs={"conn": url, "return_type": "arrow"},
)
if form == "postgres":
    # Its settings demand a password, also where the server asks for none.
    destination, file_format = dlt.destinations.postgres(url.replace("postgres@", "postgres:x@")), "csv"
else:
    destination, file_format = dlt.destinations.filesystem(bucket_url=f"file://{folder}/out"), "parquet"
pipeline = dlt.pipeline("bench", destination=destination, dataset_name="dlt_bench", pipelines_dir=f"{folder}/state")
pipeline.run(table, loader_file_format=file_format, write_disposition="replace")
