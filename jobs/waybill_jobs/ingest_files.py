"""Files of a folder to a Delta table, each once, in Auto Loader's manner: schema location, evolution, rescued data.

A file stream says which files are new and its checkpoint remembers them; each micro-batch is read as a batch, so that a
new column can join the schema before its rows are written. What fits no column is kept in `_rescued_data`.
"""

import csv
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pyspark.sql import Column as SqlColumn
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from waybill_jobs.auto_loader import auto_loader_options, ingest_by_auto_loader
from waybill_jobs.commits import current_version, is_table, table_rows, table_size
from waybill_jobs.errors import JobError
from waybill_jobs.evolution import MAP, Place, Rule, conform, evolve, newest
from waybill_jobs.io import delete, exists, read_table, read_text, write_text
from waybill_jobs.results import TableResult
from waybill_jobs.schemas import CORRUPT, SOURCE_FILE
from waybill_jobs.stream_control import Stream, Supervision

FORMATS = ("json", "csv", "parquet", "orc")
#: What Spark's reader of binary files gives of each.
_LISTING = "path STRING, modificationTime TIMESTAMP, length BIGINT, content BINARY"
#: Options of a reader that would change what this module promises.
_RESERVED = {"header", "enforceschema", "inferschema", "mode", "columnnameofcorruptrecord", "mergeschema", "path"}


@dataclass(frozen=True)
class FileSource:
    """`options` go to Spark's reader of the format; `hints` are columns with types: others of JSON and CSV are text."""

    folder: str
    format: str
    evolution: str = "addNewColumns"
    options: dict[str, str] | None = None
    hints: str = ""
    glob: str | None = None
    files_per_batch: int = 1000
    #: Who finds new files: "own", or on Databricks "cloudFiles".
    listing: str = "own"


@dataclass
class _Seen:
    files: int = 0
    added: tuple[str, ...] = ()


def ingest_files(
    spark: SparkSession, lake: str, table: str, source: FileSource, supervision: Supervision, run: str
) -> list[TableResult]:
    """Adds the rows of files not seen before. A repeated, killed or resumed job adds nothing twice."""
    _check(source)
    supervision.check()
    place = Place.of(lake, table)
    if not exists(spark, source.folder):
        raise _no_files(source)
    before = current_version(spark, place.path)
    earlier = table_rows(spark, place.path, before) if before >= 0 else 0
    seen = _Seen()
    stream = Stream(spark, supervision, run, lambda progress, newest_row: {})
    if source.listing == "cloudFiles":
        options = auto_loader_options(
            place,
            source.format,
            evolution=source.evolution,
            hints=source.hints,
            options=source.options or {},
            glob=source.glob,
            files_per_batch=source.files_per_batch,
        )
        ingest_by_auto_loader(spark, place, source.folder, options, stream, run)
    else:
        _stream(spark, place, source, seen, stream, run, before)
    if not is_table(spark, place.path):
        raise _no_files(source)
    version = current_version(spark, place.path)
    rows = table_rows(spark, place.path, version)
    files, size = table_size(spark, place.path, version)
    details = {
        "rowsAdded": rows - earlier,
        "batches": stream.batches,
        "filesTaken": seen.files,
        "columnsAdded": list(seen.added),
        "schemaVersion": newest(spark, place.schemas),
    }
    return [TableResult(table, place.path, version, rows, files, size, version > before, details)]


def _check(source: FileSource) -> None:
    reserved = sorted(name for name in source.options or {} if name.lower() in _RESERVED)
    if reserved:
        raise JobError(
            "INGEST_OPTION_RESERVED",
            f"The job sets the reader's {', '.join(reserved)} itself.",
            "Leave it out of --options; columns with types go into --hints.",
        )


def _no_files(source: FileSource) -> JobError:
    return JobError(
        "INGEST_NO_FILES",
        f"The folder {source.folder} holds no file to take.",
        "Check --source and --glob, and that files have been landed.",
    )


def _stream(
    spark: SparkSession, place: Place, source: FileSource, seen: _Seen, stream: Stream, run: str, before: int
) -> None:
    # Only the paths: the format's reader of binary files opens none when its content is not asked for.
    listing = spark.readStream.format("binaryFile").option("maxFilesPerTrigger", source.files_per_batch)
    listing = listing.option("recursiveFileLookup", True).schema(_LISTING)
    if source.glob:
        listing = listing.option("pathGlobFilter", source.glob)
    # When the checkpoint is new beside an existing table, the table says what was taken: its rows name their files. That
    # holds until all that is there has been gone through, which may take more than one run.
    note = f"{place.checkpoint}/taken-before.json"
    lost = before >= 0 and (exists(spark, note) or not exists(spark, f"{place.checkpoint}/commits/0"))
    taken: set[str] = set()
    if lost:
        write_text(spark, note, json.dumps({"version": before}))
        rows = read_table(spark, place.path, before).select(SOURCE_FILE).distinct().collect()
        taken = {row[0] for row in rows}

    def batch(frame: DataFrame, number: int) -> None:
        paths = _file_uris(frame, taken)
        if paths:
            _take(frame.sparkSession, place, source, seen, run, paths, number)
            # Counting rows would read the files once more; what is told is how many files there were.
            stream.took(len(paths), None)

    files = listing.load(source.folder).select(F.col("_metadata.file_path").alias("file"))
    stream.run(files.writeStream.option("checkpointLocation", place.checkpoint), batch)
    if lost and stream.reason == "end":
        delete(spark, note)


def _file_uris(frame: DataFrame, taken: set[str]) -> list[str]:
    return sorted(row[0] for row in frame.collect() if row[0] not in taken)


def _take(
    spark: SparkSession, place: Place, source: FileSource, seen: _Seen, run: str, paths: list[str], number: int
) -> None:
    """One micro-batch. Delta passes over a batch that it has, by the stream's own id and the batch's number."""
    raw = _READERS[source.format](spark, paths, source.options or {})
    remedy = ", or take the file away"
    rule = Rule(source.evolution, source.hints, {_FILE: SOURCE_FILE}, source.folder, remedy)
    schema, added = evolve(spark, place, rule, raw)
    stream = json.loads(read_text(spark, f"{place.checkpoint}/metadata"))["id"]
    (
        conform(raw, schema, rule, run)
        .write.format("delta")
        .mode("append")
        .option("mergeSchema", True)
        .option("txnAppId", f"waybill/ingest-files/{place.table}/{stream}")
        .option("txnVersion", number)
        .save(place.path)
    )
    seen.files += len(paths)
    seen.added = (*seen.added, *added)


# Readers: the source's columns by name, `_corrupt_record` and the file. JSON stays one map, as its keys may be any.

#: The file of a row, by a name that no source's column has.
_FILE = "_waybill_file"


def _read_json(spark: SparkSession, paths: list[str], options: dict[str, str]) -> DataFrame:
    lines = spark.read.format("text").options(**options).load(paths)
    parsed = F.from_json("value", "map<string,string>", {"mode": "PERMISSIVE"})
    lines = lines.where("length(trim(value)) > 0").select("value", parsed.alias(MAP), _file())
    return lines.select(MAP, F.when(F.col(MAP).isNull(), F.col("value")).alias(CORRUPT), _FILE)


def _read_csv(spark: SparkSession, paths: list[str], options: dict[str, str]) -> DataFrame:
    """Files are read with those of the same header: Spark would take the first file's for all."""
    separator, quote = options.get("sep", options.get("delimiter", ",")), options.get("quote", '"')
    first = (
        spark.read.text(paths)
        .select(
            "value",
            _file(),
            F.col("_metadata.file_block_start").alias("start"),
            F.monotonically_increasing_id().alias("at"),
        )
        .where("start = 0")
        .groupBy(_FILE)
        # Ids grow within a partition, and what begins a file is in one partition.
        .agg(F.min_by("value", "at").alias("header"))
        .collect()
    )
    groups: dict[tuple[str, ...], list[str]] = {}
    for row in first:
        header = next(csv.reader([row["header"].lstrip("\ufeff")], delimiter=separator, quotechar=quote), [])
        groups.setdefault(tuple(name.strip() for name in header), []).append(row[_FILE])
    frames = []
    for names, files in groups.items():
        if len({name.lower() for name in names}) < len(names) or "" in names:
            raise JobError(
                "INGEST_BAD_HEADER",
                f"The header of {sorted(files)[0]} has an empty or repeated name.",
                "Correct the file and land it under a new name.",
            )
        fields = [StructField(name, StringType()) for name in (*names, CORRUPT)]
        reader = spark.read.schema(StructType(fields)).options(escape=quote, multiLine=True, **options)
        reader = reader.option("header", True).option("mode", "PERMISSIVE").option("columnNameOfCorruptRecord", CORRUPT)
        frames.append(reader.csv(files).select("*", _file()))
    return _union(frames)


def _read_columns(format: str) -> Callable[[SparkSession, list[str], dict[str, str]], DataFrame]:
    def read(spark: SparkSession, paths: list[str], options: dict[str, str]) -> DataFrame:
        frame = spark.read.format(format).options(**options).option("mergeSchema", True).load(paths)
        return frame.select("*", F.lit(None).cast("string").alias(CORRUPT), _file())

    return read


_READERS = {"json": _read_json, "csv": _read_csv, "parquet": _read_columns("parquet"), "orc": _read_columns("orc")}


def _file() -> SqlColumn:
    return F.col("_metadata.file_path").alias(_FILE)


def _union(frames: list[DataFrame]) -> DataFrame:
    whole = frames[0]
    for frame in frames[1:]:
        whole = whole.unionByName(frame, allowMissingColumns=True)
    return whole
