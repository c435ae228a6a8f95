"""Messages of a stream to a bronze Delta table: payloads decoded, each micro-batch written once."""

import json
from datetime import datetime, timezone
from typing import Any

from pyspark.sql import Column as SqlColumn
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from waybill_jobs.commits import current_version, is_table, table_rows, table_size
from waybill_jobs.evolution import MAP, Place, Rule, conform, evolve, newest
from waybill_jobs.io import read_text
from waybill_jobs.results import TableResult
from waybill_jobs.schemas import CORRUPT
from waybill_jobs.stream_control import Stream

FORMATS = ("json", "string", "binary")
#: The column of a payload that is not taken apart.
VALUE = "value"


def text_of(column: SqlColumn) -> SqlColumn:
    """Bytes as text; what is no UTF-8 as `base64:…`, so that no byte is lost."""
    text = column.cast("string")
    return F.when(F.is_valid_utf8(text), text).when(
        column.isNotNull(), F.concat(F.lit("base64:"), F.base64(column))
    )


def decode(frame: DataFrame, format: str, payload: str, own: list[SqlColumn]) -> DataFrame:
    """The payload by its format beside `_corrupt_record` and the message's own columns."""
    value, none = F.col(payload), F.lit(None).cast("string")
    if format == "binary":
        return frame.select(value.alias(VALUE), none.alias(CORRUPT), *own)
    valid = F.is_valid_utf8(value.cast("string"))
    if format == "string":
        text = F.when(valid, value.cast("string"))
        broken = F.when(value.isNotNull() & ~valid, text_of(value))
        return frame.select(text.alias(VALUE), broken.alias(CORRUPT), *own)
    parsed = F.from_json(F.when(valid, value.cast("string")), "map<string,string>", {"mode": "PERMISSIVE"})
    frame = frame.select("*", parsed.alias(MAP))
    return frame.select(MAP, F.when(F.col(MAP).isNull(), text_of(value)).alias(CORRUPT), *own)


class Table:
    """The table that a stream's batches go to."""

    def __init__(self, spark: SparkSession, place: Place, kind: str, rule: Rule, run: str, moment: str) -> None:
        self._place = place
        self._kind = kind
        self._rule = rule
        self._run = run
        self._moment = moment
        self._before = current_version(spark, place.path)
        self._earlier = table_rows(spark, place.path, self._before) if self._before >= 0 else 0
        self._added: tuple[str, ...] = ()

    @property
    def before(self) -> int:
        """The table's version when the job began, -1 where there was none."""
        return self._before

    def take(self, raw: DataFrame, number: int, stream: Stream) -> None:
        """One micro-batch. Delta passes over a batch that it has, by the stream's own id and the batch's number."""
        spark = raw.sparkSession
        # Its columns, its size and its rows are asked for one after the other: it is read from the source once.
        raw = raw.persist()
        try:
            row = raw.agg(F.count(F.lit(1)), F.unix_millis(F.max(self._moment))).head()
            rows, millis = (row[0], row[1]) if row is not None else (0, None)
            if rows == 0:
                return
            schema, added = evolve(spark, self._place, self._rule, raw)
            stream_id = json.loads(read_text(spark, f"{self._place.checkpoint}/metadata"))["id"]
            (
                conform(raw, schema, self._rule, self._run)
                .write.format("delta")
                .mode("append")
                .option("mergeSchema", True)
                .option("txnAppId", f"waybill/{self._kind}/{self._place.table}/{stream_id}")
                .option("txnVersion", number)
                .save(self._place.path)
            )
            self._added = (*self._added, *added)
            newest_row = None if millis is None else datetime.fromtimestamp(millis / 1000, timezone.utc)
            stream.took(rows, newest_row)
        finally:
            raw.unpersist()

    def result(self, spark: SparkSession, stream: Stream) -> list[TableResult]:
        """The table as the job leaves it; none where there has not been a message yet."""
        place = self._place
        if not is_table(spark, place.path):
            return [TableResult(place.table, place.path, -1, 0, 0, 0, False, self._details(spark, stream, 0))]
        version = current_version(spark, place.path)
        rows = table_rows(spark, place.path, version)
        files, size = table_size(spark, place.path, version)
        details = self._details(spark, stream, rows - self._earlier)
        return [TableResult(place.table, place.path, version, rows, files, size, version > self._before, details)]

    def _details(self, spark: SparkSession, stream: Stream, added: int) -> dict[str, Any]:
        return {
            "rowsAdded": added,
            "batches": stream.batches,
            "columnsAdded": list(self._added),
            "schemaVersion": newest(spark, self._place.schemas),
            "ended": stream.reason,
        }
