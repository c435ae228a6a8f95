"""What the tables hold, in numbers that can be compared with the source's own."""

from collections.abc import Sequence
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from waybill_jobs.commits import current_version, is_table, table_size
from waybill_jobs.io import in_parallel, read_table
from waybill_jobs.layout import ALL_TABLES, Lake
from waybill_jobs.quality import content_hash
from waybill_jobs.results import TableResult
from waybill_jobs.scd2 import describe_faults, examine_history
from waybill_jobs.schemas import INGESTED_AT, RUN, TABLES


def check(spark: SparkSession, lake: Lake, tables: Sequence[str] = ALL_TABLES) -> tuple[list[TableResult], dict[str, Any]]:
    """Counts those of the tables that exist; for silver also distinct keys, sums and an order-independent hash of the content.

    `faults` lists every invariant that does not hold, in words; it is empty when all do.
    """
    present = [name for name in tables if is_table(spark, lake.path(name))]
    done = in_parallel(lambda name: _check_table(spark, lake, name), present)
    faults = [fault for _, found in done for fault in found]
    return [result for result, _ in done], {"faults": faults, "ok": not faults}


def _check_table(spark: SparkSession, lake: Lake, qualified: str) -> tuple[TableResult, list[str]]:
    path = lake.path(qualified)
    layer, name = qualified.split("/")
    version = current_version(spark, path)
    frame = read_table(spark, path, version)
    files, size = table_size(spark, path, version)
    details: dict[str, Any] = {}
    faults: list[str] = []
    if layer == "silver" and TABLES[name].load == "history":
        table = TABLES[name]
        counted, found = examine_history(frame, table.key[0])
        faults = describe_faults(qualified, found)
        rows = counted.pop("rows")
        details = {**counted, "invariants": found}
    elif layer == "silver":
        table = TABLES[name]
        numbers = [c.name for c in table.columns if c.type != "string" and c.type != "timestamp"]
        sums = [F.sum(F.col(n).cast("decimal(38,8)")).alias(n) for n in numbers]
        counts = frame.agg(F.count(F.lit(1)).alias("_rows"), F.count_distinct(*table.key).alias("_keys"), *sums).head()
        assert counts is not None
        values = counts.asDict()
        rows = int(values.pop("_rows"))
        keys = int(values.pop("_keys"))
        if keys != rows:
            faults.append(f"{qualified}: {rows} rows but {keys} distinct keys")
        plain = {n: format(v.normalize(), "f") if v is not None else None for n, v in values.items()}
        details = {"distinctKeys": keys, "sums": plain}
        details["contentHash"] = content_hash(frame, ignore=(INGESTED_AT, RUN))[1]
    elif layer == "gold":
        rows, details["contentHash"] = content_hash(frame)
    else:
        rows = frame.count()
    return TableResult(qualified, path, version, rows, files, size, False, details), faults
