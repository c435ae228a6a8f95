"""Landed files to bronze Delta tables: every source column as text, with where, when and by which run it came."""

from dataclasses import dataclass
from functools import reduce

from pyspark.sql import Column as SqlColumn
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from waybill_jobs.commits import current_version, is_table, table_size
from waybill_jobs.errors import JobError
from waybill_jobs.io import exists, in_parallel, list_files, read_table, timed
from waybill_jobs.layout import Lake
from waybill_jobs.results import TableResult
from waybill_jobs.schemas import CORRUPT, INGESTED_AT, RESCUED, RUN, SOURCE_FILE, TABLES, Table
from waybill_jobs.write import write_once

#: Stands for "nothing between two commas": Spark would otherwise read "" (an empty string) as NULL too.
_NULL_MARK = "\u0001NULL\u0001"


@dataclass(frozen=True)
class _Ingested:
    table: str
    version: int
    written: bool
    #: Files in the run's folder; None for a table whose files belong to no run.
    landed_files: int | None


def bronze(spark: SparkSession, lake: Lake, run: str, as_of: str, tables: list[str]) -> list[TableResult]:
    """Adds what the run landed to the bronze tables. Repeating a run, or a part of it, adds nothing."""

    def one(name: str) -> _Ingested:
        table = TABLES[name]
        ingest = _ingest_new_files if table.format == "json" else _ingest_run
        with timed(f"bronze/{name}"):
            return ingest(spark, lake, table, run, as_of)

    done = in_parallel(one, tables)
    with timed("bronze: counting"):
        return _report(spark, lake, run, done)


def _lineage(run: str, as_of: str, source_file: SqlColumn) -> list[SqlColumn]:
    return [
        source_file.alias(SOURCE_FILE),
        F.lit(as_of).cast("timestamp").alias(INGESTED_AT),
        F.lit(run).alias(RUN),
    ]


def _strings(table: Table) -> StructType:
    fields = [StructField(name, StringType()) for name in table.names]
    return StructType([*fields, StructField(CORRUPT, StringType())])


def read_csv(spark: SparkSession, table: Table, folder: str) -> DataFrame:
    """RFC 4180 files with a header: quotes doubled, line ends inside quotes kept, `,,` NULL and `,"",` empty."""
    return (
        spark.read.schema(_strings(table))
        .option("header", True)
        .option("enforceSchema", False)  # the header must name our columns in our order
        .option("quote", '"')
        .option("escape", '"')
        .option("multiLine", True)
        .option("nullValue", _NULL_MARK)
        .option("emptyValue", "")
        .option("encoding", "UTF-8")
        .option("mode", "PERMISSIVE")
        .option("columnNameOfCorruptRecord", CORRUPT)
        .option("maxCharsPerColumn", -1)
        .option("pathGlobFilter", "part-*.csv*")
        .csv(folder)
    )


def _ingest_run(spark: SparkSession, lake: Lake, table: Table, run: str, as_of: str) -> _Ingested:
    """A run's own folder of CSV parts, appended in one transaction that the run can commit only once."""
    folder = f"{lake.landing}/{table.name}/{run}"
    parts = [name for name, _ in list_files(spark, folder) if name.startswith("part-") and ".csv" in name]
    if not parts:
        raise JobError(
            "BRONZE_NO_FILES",
            f"No part-*.csv or .csv.gz file of table {table.name} is in {folder}.",
            "Check that the ingest stage finished for this run and that --landing and --run are the ones it used.",
        )
    path = lake.table("bronze", table.name)
    frame = read_csv(spark, table, folder)
    frame = frame.select("*", *_lineage(run, as_of, F.col("_metadata.file_path")))
    outcome = write_once(spark, frame, path, step=f"bronze/{table.name}", run=run, mode="append", statistics=(RUN,))
    return _Ingested(table.name, outcome.version, outcome.written, len(parts))


def parse_json_lines(lines: DataFrame, table: Table) -> list[SqlColumn]:
    """Columns of one JSON text per row: known fields, the text of a broken record, unknown fields kept aside."""
    schema = _strings(table).simpleString()
    options = {"mode": "PERMISSIVE", "columnNameOfCorruptRecord": CORRUPT}
    parsed = F.from_json("value", schema, options)
    everything = F.from_json("value", "map<string,string>", {"mode": "PERMISSIVE"})
    known = F.array(*[F.lit(name) for name in table.names])
    unknown = F.map_filter(everything, lambda key, _: ~F.array_contains(known, key))
    fields = [parsed.getField(name).alias(name) for name in (*table.names, CORRUPT)]
    rescued = F.when(F.size(unknown) > 0, F.to_json(unknown)).alias(RESCUED)
    return [*fields, rescued]


def _ingest_new_files(spark: SparkSession, lake: Lake, table: Table, run: str, as_of: str) -> _Ingested:
    """JSON lines of files not seen before, as a file stream that takes what is there and ends (Auto Loader's way).

    The checkpoint says which files were taken. When it is new beside an existing table (first use, or after a
    RESTORE, which removes it), the table itself says so: its rows name their files.
    """
    folder = f"{lake.landing}/{table.name}"
    if not exists(spark, folder):
        raise JobError(
            "BRONZE_NO_FILES",
            f"The folder {folder} of table {table.name} does not exist.",
            "Land at least one file there, or leave the table out with --tables.",
        )
    path = lake.table("bronze", table.name)
    checkpoint = lake.checkpoint("bronze", table.name)
    before = current_version(spark, path)
    stream = (
        spark.readStream.format("text")
        .option("pathGlobFilter", "*.json")
        .load(folder)
        .select("value", F.col("_metadata.file_path").alias("file"))
        .where("length(trim(value)) > 0")
    )
    if before >= 0 and not exists(spark, f"{checkpoint}/commits/0"):
        seen = read_table(spark, path, before).select(F.col(SOURCE_FILE).alias("file")).distinct()
        stream = stream.join(F.broadcast(seen), "file", "left_anti")
    rows = stream.select(*parse_json_lines(stream, table), *_lineage(run, as_of, F.col("file")))
    query = (
        rows.writeStream.format("delta")
        .outputMode("append")
        .option("checkpointLocation", checkpoint)
        .trigger(availableNow=True)
        .start(path)
    )
    query.awaitTermination()
    if not is_table(spark, path):
        raise JobError(
            "BRONZE_NO_FILES",
            f"The folder {folder} of table {table.name} holds no .json file with a record.",
            "Land at least one file there, or leave the table out with --tables.",
        )
    version = current_version(spark, path)
    return _Ingested(table.name, version, version > before, None)


def _report(spark: SparkSession, lake: Lake, run: str, done: list[_Ingested]) -> list[TableResult]:
    """What the tables hold of the run and in all, counted in them by one query for all tables: a query costs more
    than the rows it reads."""
    of_run = F.col(RUN) == run
    frames = [
        read_table(spark, lake.table("bronze", each.table), each.version).select(
            F.lit(each.table).alias("table"),
            of_run.alias("of_run"),
            F.when(of_run, F.col(SOURCE_FILE)).alias("file"),
            F.col(CORRUPT).isNotNull().alias("corrupt"),
        )
        for each in done
    ]
    counts = reduce(DataFrame.unionAll, frames).groupBy("table", "of_run", "file").agg(
        F.count(F.lit(1)).alias("rows"), F.count_if("corrupt").alias("corrupt")
    )
    found = counts.collect()
    return [_result(spark, lake, each, [row for row in found if row["table"] == each.table]) for each in done]


def _result(spark: SparkSession, lake: Lake, done: _Ingested, counts: list[Row]) -> TableResult:
    path = lake.table("bronze", done.table)
    mine = [row for row in counts if row["of_run"]]
    files, size = table_size(spark, path, done.version)
    details = {
        "rowsOfRun": sum(int(row["rows"]) for row in mine),
        "corruptOfRun": sum(int(row["corrupt"]) for row in mine),
        "sourceFilesOfRun": len(mine),
    }
    if done.landed_files is not None:
        details["landedFiles"] = done.landed_files
    rows = sum(int(row["rows"]) for row in counts)
    return TableResult(f"bronze/{done.table}", path, done.version, rows, files, size, done.written, details)
