"""Bronze to silver: typed, clean, one row a key; what is refused goes to quarantine, and the two add up."""

from typing import Any

from delta.tables import DeltaTable
from pyspark.sql import Column as SqlColumn
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from waybill_jobs.commits import current_version, is_table, table_rows, table_size
from waybill_jobs.errors import JobError
from waybill_jobs.io import in_parallel, read_table, timed
from waybill_jobs.layout import Lake
from waybill_jobs.quality import count_keys, judge, kept, rank_duplicates, refused
from waybill_jobs.results import TableResult
from waybill_jobs.scd2 import describe_faults, examine_history, merge_history
from waybill_jobs.schemas import INGESTED_AT, RUN, TABLES, Table
from waybill_jobs.session import merge_session
from waybill_jobs.write import WriteOutcome, own_commit, transaction, write_once

MAX_RECORDS_PER_FILE = 1_000_000


def silver(
    spark: SparkSession, lake: Lake, run: str, as_of: str, tables: list[str]
) -> tuple[list[TableResult], dict[str, Any]]:
    """Brings the run's bronze rows to silver, then examines history tables: `faults` says in words which invariant
    does not hold. Repeating it changes nothing."""
    # One version of each for every query below, whoever else writes meanwhile.
    landed = dict(zip(tables, in_parallel(lambda name: _landed(spark, lake, name, run), tables), strict=True))
    with timed("silver: counting keys"):
        keys = count_keys(landed, TABLES)

    def one(name: str) -> TableResult:
        with timed(f"silver/{name}"):
            return _refine(spark, lake, TABLES[name], landed[name], *keys[name], run, as_of)

    results = in_parallel(one, tables)
    faults = [
        fault for result in results for fault in describe_faults(result.table, result.details.get("invariants", {}))
    ]
    return results, {"faults": faults, "ok": not faults}


def _landed(spark: SparkSession, lake: Lake, name: str, run: str) -> DataFrame:
    source = lake.table("bronze", name)
    newest = current_version(spark, source)
    if newest < 0:
        raise JobError(
            "SILVER_NO_BRONZE",
            f"There is no bronze table {name} at {source}.",
            "Run the bronze job for this run first, with the same --lake.",
        )
    return read_table(spark, source, newest).where(F.col(RUN) == run)


def _refine(
    spark: SparkSession,
    lake: Lake,
    table: Table,
    landed: DataFrame,
    rows_in: int,
    keys_repeat: bool,
    run: str,
    as_of: str,
) -> TableResult:
    path = lake.table("silver", table.name)
    judged = judge(landed, table)
    ranked = rank_duplicates(judged, table, keys_repeat)
    rows = kept(ranked, table)
    details: dict[str, Any] = {}
    if table.load == "history":
        outcome = merge_history(
            spark,
            rows,
            path,
            key=table.key[0],
            attributes=tuple(name for name in table.names if name not in table.key),
            as_of=as_of,
            run=run,
            step=f"silver/{table.name}",
            keys_are_good=True,
        )
        version, written, accepted = outcome.version, outcome.written, outcome.rows
        details |= {"keysAdded": outcome.added, "keysChanged": outcome.changed}
    else:
        write = _merge_rows if table.load == "incremental" else _replace_rows
        done = write(spark, rows, path, table, run)
        version, written = done.version, done.written
        accepted = done.rows if done.rows is not None else rows.count()

    quarantined = _quarantine(spark, lake, judged, ranked, table, run, rows_in - accepted)
    if rows_in != accepted + quarantined:
        raise JobError(
            "SILVER_ROWS_LOST",
            f"Table {table.name}: {rows_in} rows in, {accepted} accepted, {quarantined} quarantined.",
            "This is a defect of the job: keep the bronze table and report it with these numbers.",
        )
    details |= {"rowsIn": rows_in, "rowsAccepted": accepted, "rowsQuarantined": quarantined}
    if table.load == "history":
        counted, invariants = examine_history(read_table(spark, path, version), table.key[0])
        total = counted.pop("rows")
        details |= {**counted, "invariants": invariants}
    else:
        total = table_rows(spark, path, version)
    files, size = table_size(spark, path, version)
    return TableResult(f"silver/{table.name}", path, version, total, files, size, written, dict(details))


def _by_partition(spark: SparkSession, rows: DataFrame, table: Table) -> DataFrame:
    """Sends each partition's rows to one task, so that a day becomes one file."""
    if not table.partition_by:
        return rows.coalesce(1)
    tasks = int(str(spark.conf.get("spark.sql.shuffle.partitions")))
    return rows.repartition(tasks, *table.partition_by)


def _replace_rows(spark: SparkSession, rows: DataFrame, path: str, table: Table, run: str) -> WriteOutcome:
    """A snapshot replaces the days it holds, or the whole of a table without partitions."""
    options = {"maxRecordsPerFile": str(MAX_RECORDS_PER_FILE)}
    if table.partition_by:
        options["partitionOverwriteMode"] = "dynamic"
    return write_once(
        spark,
        _by_partition(spark, rows, table),
        path,
        step=f"silver/{table.name}",
        run=run,
        mode="overwrite",
        partition_by=table.partition_by,
        options=options,
        statistics=table.statistics,
    )


def _merge_rows(spark: SparkSession, rows: DataFrame, path: str, table: Table, run: str) -> WriteOutcome:
    """New rows are merged by key; a row of an older ingestion never replaces one of a newer."""
    if not is_table(spark, path):
        return _replace_rows(spark, rows, path, table, run)
    guard, before = transaction(spark, path, f"silver/{table.name}", run)
    accepted = rows.count()
    if accepted == 0:
        return WriteOutcome(before, False, 0)
    names = [*table.names, INGESTED_AT, RUN]
    same = " AND ".join(f"t.{name} = s.{name}" for name in (*table.partition_by, *table.key))
    values: dict[str, str | SqlColumn] = {name: F.col(f"s.{name}") for name in names}
    (
        DeltaTable.forPath(merge_session(spark, guard), path)
        .alias("t")
        .merge(_by_partition(spark, rows, table).alias("s"), same)
        .whenMatchedUpdate(f"t.{INGESTED_AT} <= s.{INGESTED_AT}", set=values)
        .whenNotMatchedInsert(values=values)
        .execute()
    )
    done = own_commit(spark, path, before, run)
    return WriteOutcome(done.version if done else before, done is not None, accepted)


def _quarantine(
    spark: SparkSession,
    lake: Lake,
    judged: DataFrame,
    ranked: DataFrame,
    table: Table,
    run: str,
    expected: int,
) -> int:
    """Writes the run's refused rows in place of an earlier attempt's; returns their number."""
    path = lake.table("quarantine", table.name)
    exists = is_table(spark, path)
    present = read_table(spark, path).where(F.col(RUN) == run).count() if exists else 0
    if present == expected:
        return present
    rows = refused(judged, ranked, table).coalesce(1)
    writer = rows.write.format("delta").mode("overwrite")
    if exists:
        writer = writer.option("replaceWhere", f"{RUN} = '{run}'")
    before = current_version(spark, path)
    writer.save(path)
    done = own_commit(spark, path, before, run)
    return int(done.metrics["numOutputRows"]) if done else 0
