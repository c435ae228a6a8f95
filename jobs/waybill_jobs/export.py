"""A table as CSV files that Snowflake and PostgreSQL load without losing anything, and a manifest to check them by.

RFC 4180 in UTF-8 with a header, gzip: fields are quoted with `"`, quotes doubled; NULL is nothing between two
commas and an empty string is `""`. File names depend on the content's order only, so a repeated export replaces its
files, and a loader that skips names it knows skips them.
"""

import json
import math
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from waybill_jobs.errors import JobError
from waybill_jobs.io import delete, list_files, rename, write_text
from waybill_jobs.quality import row_hash

ROWS_PER_FILE = 1_000_000
MANIFEST = "manifest.json"


def export_table(
    spark: SparkSession,
    frame: DataFrame,
    folder: str,
    name: str,
    columns: tuple[tuple[str, str], ...],
    key: tuple[str, ...],
    run: str,
    version: int,
) -> dict[str, Any]:
    """Writes `folder/part-NNNNN.csv.gz` in key order, then `folder/manifest.json`; returns the manifest.

    The manifest goes first and comes last, so a reader that finds one finds the files it names. Every file is read
    back and counted before that. Raises JobError EXPORT_TOO_WIDE or EXPORT_ROWS_LOST.
    """
    names = [column for column, _ in columns]
    profile = _profile(frame, columns, name)
    rows = int(profile["rows"])
    parts = max(1, math.ceil(rows / ROWS_PER_FILE))
    ordered = frame.select(*names)
    ordered = ordered.coalesce(1) if parts == 1 else ordered.repartitionByRange(parts, *key)

    delete(spark, f"{folder}/{MANIFEST}")
    staging = f"{folder}/_staging"
    _write_csv(ordered.sortWithinPartitions(*key), staging)
    wanted = []
    for index, (file, size) in enumerate(f for f in list_files(spark, staging) if f[0].endswith(".csv.gz")):
        target = f"part-{index:05d}.csv.gz"
        rename(spark, f"{staging}/{file}", f"{folder}/{target}")
        wanted.append({"name": target, "bytes": size})
    delete(spark, staging)
    for file, _ in list_files(spark, folder):
        if file not in {entry["name"] for entry in wanted}:
            delete(spark, f"{folder}/{file}")

    counted = _rows_per_file(spark, folder, names)
    files = [{**entry, "rows": counted.get(str(entry["name"]), 0)} for entry in wanted]
    if sum(counted.values()) != rows:
        raise JobError(
            "EXPORT_ROWS_LOST",
            f"{folder} holds {sum(counted.values())} rows, the table {rows}.",
            "Run the job again; if it persists, keep the folder and report it.",
        )
    manifest = {
        "table": name,
        "path": folder,
        "run": run,
        "version": version,
        "format": {
            "type": "csv",
            "compression": "gzip",
            "encoding": "utf-8",
            "header": True,
            "delimiter": ",",
            "quote": '"',
            "escape": '"',
            "null": "",
            "lineEnd": "\n",
        },
        "rows": rows,
        "contentHash": profile["contentHash"],
        "bytes": sum(int(str(entry["bytes"])) for entry in wanted),
        "key": list(key),
        "columns": profile["columns"],
        "files": files,
    }
    write_text(spark, f"{folder}/{MANIFEST}", json.dumps(manifest, indent=1) + "\n")
    return manifest


def _write_csv(frame: DataFrame, folder: str) -> None:
    (
        frame.write.mode("overwrite")
        .option("header", True)
        .option("quote", '"')
        .option("escape", '"')
        .option("nullValue", "")
        .option("emptyValue", '""')
        .option("ignoreLeadingWhiteSpace", False)
        .option("ignoreTrailingWhiteSpace", False)
        .option("timestampFormat", "yyyy-MM-dd HH:mm:ss.SSSSSS")
        .option("dateFormat", "yyyy-MM-dd")
        .option("encoding", "UTF-8")
        .option("compression", "gzip")
        .csv(folder)
    )


def _rows_per_file(spark: SparkSession, folder: str, names: list[str]) -> dict[str, int]:
    schema = ", ".join(f"`{name}` string" for name in names)
    back = (
        spark.read.schema(schema)
        .option("header", True)
        .option("escape", '"')
        .option("multiLine", True)
        .option("mode", "FAILFAST")
        .option("pathGlobFilter", "part-*.csv.gz")
        .csv(folder)
    )
    # One source column must be read, or the parser would only split lines.
    counts = back.select(F.col("_metadata.file_name").alias("file"), *names).groupBy("file").count().collect()
    return {str(row[0]): int(row[1]) for row in counts}


def _profile(frame: DataFrame, columns: tuple[tuple[str, str], ...], name: str) -> dict[str, Any]:
    """Rows, and for each column what any database can recompute after the load: non-null values, the exact sum of
    a number, the total and greatest length of a text (in characters)."""
    measures = [F.count(F.lit(1)).alias("rows"), F.sum(row_hash(frame.columns)).cast("string").alias("hash")]
    for column, sql_type in columns:
        measures.append(F.count(column).alias(f"{column}:n"))
        if sql_type.startswith("varchar"):
            measures.append(F.sum(F.length(column)).cast("string").alias(f"{column}:sum"))
            measures.append(F.max(F.length(column)).alias(f"{column}:max"))
        elif sql_type.split("(")[0] in ("int", "bigint", "decimal"):
            measures.append(F.sum(F.col(column).cast(_sum_type(sql_type))).cast("string").alias(f"{column}:sum"))
    row = frame.agg(*measures).head()
    assert row is not None
    found = row.asDict()
    described = []
    for column, sql_type in columns:
        entry: dict[str, Any] = {"name": column, "type": sql_type, "nonNull": int(found[f"{column}:n"])}
        if sql_type.startswith("varchar"):
            width = int(sql_type[len("varchar(") : -1])
            longest = int(found[f"{column}:max"] or 0)
            if longest > width:
                raise JobError(
                    "EXPORT_TOO_WIDE",
                    f"Column {column} of {name} has a value of {longest} characters, its type is {sql_type}.",
                    "Widen the column's type in waybill_jobs/gold.py; the sinks' tables follow the manifest.",
                )
            entry["sumOfLengths"] = str(found[f"{column}:sum"] or "0")
        elif f"{column}:sum" in found:
            entry["sum"] = str(found[f"{column}:sum"] or "0")
        described.append(entry)
    return {"rows": found["rows"], "contentHash": str(found["hash"] or "0"), "columns": described}


def _sum_type(sql_type: str) -> str:
    scale = int(sql_type[:-1].split(",")[1]) if sql_type.startswith("decimal") else 0
    return f"decimal(28,{scale})"
