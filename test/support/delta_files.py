"""Writes a Delta table to S3 by the protocol, without Spark: one commit a call, from JSON on stdin
{"table": "s3://bucket/key", "version": n, "columns": [[name, "string" | "long" | "timestamp"], ...], "rows": [[...], ...]}.
"""

import io
import json
import os
import sys
import uuid
from datetime import datetime, timezone

import boto3
import pyarrow as pa
import pyarrow.parquet as pq

ARROW = {"string": pa.string(), "long": pa.int64(), "timestamp": pa.timestamp("us", tz="UTC")}


def main() -> None:
    given = json.load(sys.stdin)
    bucket, _, key = given["table"].removeprefix("s3://").partition("/")
    s3 = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL_S3"])
    columns = given["columns"]

    def put(name: str, body: bytes) -> None:
        s3.put_object(Bucket=bucket, Key=f"{key}/{name}", Body=body)

    def values(at: int, kind: str) -> pa.Array:
        column = [row[at] for row in given["rows"]]
        if kind == "timestamp":
            column = [datetime.fromisoformat(text).replace(tzinfo=timezone.utc) for text in column]
        return pa.array(column, ARROW[kind])

    buffer = io.BytesIO()
    arrays = [values(at, kind) for at, (_, kind) in enumerate(columns)]
    pq.write_table(pa.Table.from_arrays(arrays, [name for name, _ in columns]), buffer)
    file = f"part-{uuid.uuid4()}.parquet"
    put(file, buffer.getvalue())
    fields = [{"name": name, "type": kind, "nullable": True, "metadata": {}} for name, kind in columns]
    schema = json.dumps({"type": "struct", "fields": fields})
    first = [
        {"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}},
        {
            "metaData": {
                "id": str(uuid.uuid4()),
                "format": {"provider": "parquet", "options": {}},
                "schemaString": schema,
                "partitionColumns": [],
                "configuration": {},
            }
        },
    ]
    now = int(datetime.now(timezone.utc).timestamp() * 1000)
    add = {
        "path": file,
        "partitionValues": {},
        "size": len(buffer.getvalue()),
        "modificationTime": now,
        "dataChange": True,
    }
    actions = [*(first if given["version"] == 0 else []), {"add": add}]
    log = "\n".join(json.dumps(action) for action in actions) + "\n"
    put(f"_delta_log/{given['version']:020}.json", log.encode())


main()
