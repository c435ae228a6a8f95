"""A Kinesis stream to a bronze Delta table, each record once.

The source is called `aws-kinesis`: on EMR the connector of that name, elsewhere the one in `kinesis_source`, which has the
same options and columns.
"""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pyspark import cloudpickle
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from waybill_jobs import kinesis_source
from waybill_jobs.errors import JobError
from waybill_jobs.evolution import Place, Rule
from waybill_jobs.io import exists, read_table, read_text, write_text
from waybill_jobs.kinesis_source import NAME, KinesisReader, KinesisSource, parse_offset
from waybill_jobs.messages import Table, decode
from waybill_jobs.results import TableResult
from waybill_jobs.stream_control import Lag, Stream, Supervision

SOURCES = ("auto", "connector", "python")
#: Columns that say which record a row was.
OWN = ("_stream", "_partition_key", "_sequence_number", "_arrived_at")

_STARTS = re.compile(r"LATEST|TRIM_HORIZON|AT_TIMESTAMP \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@dataclass(frozen=True)
class KinesisOptions:
    """`endpoint` stands for Amazon's own, as AWS_ENDPOINT_URL_KINESIS does. Credentials are the cluster's."""

    stream: str
    region: str
    endpoint: str | None = None
    format: str = "json"
    evolution: str = "addNewColumns"
    hints: str = ""
    starting: str = "TRIM_HORIZON"
    max_records: int = 100_000
    fail_on_data_loss: bool = True
    source: str = "auto"


def ingest_kinesis(
    spark: SparkSession, lake: str, table: str, source: KinesisOptions, supervision: Supervision, run: str
) -> tuple[list[TableResult], dict[str, Any]]:
    """Appends records not taken before. A repeated, killed or resumed job appends nothing twice and leaves none out."""
    if not _STARTS.fullmatch(source.starting):
        raise JobError(
            "KINESIS_BAD_START",
            f"{source.starting} is no place to start.",
            'Write TRIM_HORIZON, LATEST or "AT_TIMESTAMP 2026-01-31T00:00:00Z".',
        )
    supervision.check()
    options = {
        "kinesis.streamName": source.stream,
        "kinesis.region": source.region,
        "kinesis.consumerType": "GetRecords",
        "kinesis.startingposition": source.starting,
        "kinesis.maxFetchRecordsPerShard": str(source.max_records),
        "failOnDataLoss": str(source.fail_on_data_loss).lower(),
        **({} if source.endpoint is None else {"kinesis.endpointUrl": source.endpoint}),
    }
    place = Place.of(lake, table)
    rule = Rule(source.evolution, source.hints, {name: name for name in OWN}, source.stream, "")
    target = Table(spark, place, "ingest-kinesis", rule, run, "_arrived_at")
    kind = _register(spark, source.source)
    until = _taken_until(spark, place, target.before)
    stream = Stream(spark, supervision, run, _lag(options) if kind == "python" else lambda progress, newest_row: {})
    own = [
        F.col(column).alias(name)
        for column, name in zip(
            ("streamName", "partitionKey", "sequenceNumber", "approximateArrivalTimestamp"), OWN, strict=True
        )
    ]

    def batch(frame: DataFrame, number: int) -> None:
        fresh = frame if until is None else _new(frame, place, until)
        target.take(decode(fresh, source.format, "data", own), number, stream)

    try:
        records = spark.readStream.format(NAME).options(**options).load()
        stream.run(records.writeStream.option("checkpointLocation", place.checkpoint), batch)
    except JobError:
        raise
    except Exception as error:
        raise _named(error, source) from error
    return target.result(spark, stream), {"stream": source.stream, "source": kind}


def _register(spark: SparkSession, wanted: str) -> str:
    """Which source reads; the Python one is registered where the cluster has no connector of that name."""
    jvm: Any = spark._jvm
    try:
        conf = spark._jsparkSession.sessionState().conf()
        found = jvm.org.apache.spark.sql.execution.datasources.DataSource.lookupDataSource(NAME, conf)
        # The Python one is found too, once it has been registered.
        has = ".python." not in found.getName()
    except Exception:
        has = False
    if wanted == "connector" and not has:
        raise JobError(
            "KINESIS_NO_CONNECTOR",
            f"The cluster has no connector {NAME}.",
            "Put its jar on the class path (--jars), or use --source auto.",
        )
    if has and wanted != "python":
        return "connector"
    # By value: Spark's planning processes know nothing of a step's --py-files.
    cloudpickle.register_pickle_by_value(kinesis_source)
    spark.dataSource.register(KinesisSource)
    return "python"


def _taken_until(spark: SparkSession, place: Place, before: int) -> str | None:
    """Until when records may lie in the table already, where the checkpoint was lost beside it; None where it was not."""
    note = f"{place.checkpoint}/taken-before.json"
    if not exists(spark, note):
        if before < 0 or exists(spark, f"{place.checkpoint}/offsets"):
            return None
        row = read_table(spark, place.path, before).agg(F.max("_arrived_at").cast("string")).head()
        write_text(spark, note, json.dumps(row[0] if row is not None else None))
    until = json.loads(read_text(spark, note))
    return None if until is None else str(until)


def _new(frame: DataFrame, place: Place, until: str) -> DataFrame:
    moment = F.lit(until).cast("timestamp")
    if frame.where(F.col("approximateArrivalTimestamp") <= moment).isEmpty():
        return frame
    taken = read_table(frame.sparkSession, place.path).where(F.col("_arrived_at") <= moment)
    keys = taken.select(F.col("_partition_key").alias("partitionKey"), F.col("_sequence_number").alias("sequenceNumber"))
    return frame.join(keys, ["partitionKey", "sequenceNumber"], "left_anti").select(*frame.columns)


def _lag(options: dict[str, str]) -> Lag:
    """How long the next record has waited; Kinesis counts no records that wait."""
    reader = KinesisReader({key.lower(): value for key, value in options.items()})

    def lag(progress: dict[str, Any], _: datetime | None) -> dict[str, float]:
        sources = progress.get("sources") or [{}]
        return {"seconds": round(reader.behind(parse_offset(sources[0].get("endOffset"))) / 1000, 1)}

    return lag


def _named(error: Exception, source: KinesisOptions) -> Exception:
    text = str(error)
    if "KINESIS_DATA_LOST" in text:
        what = next(line for line in text.splitlines() if "KINESIS_DATA_LOST" in line)
        return JobError(
            "KINESIS_DATA_LOSS",
            what.split("KINESIS_DATA_LOST:", 1)[1].strip()[:300],
            "See the stream's retention. To go on with what is left: --fail-on-data-loss false.",
        )
    if "ResourceNotFoundException" in text:
        return JobError("KINESIS_NO_STREAM", f"There is no stream {source.stream}.", "Check --stream and --region.")
    if re.search("EndpointConnectionError|ConnectTimeoutError", text):
        return JobError("KINESIS_UNREACHABLE", "Kinesis does not answer.", "Check --region, --endpoint and the network.")
    if re.search("NoCredentialsError|AccessDenied|UnrecognizedClientException|ExpiredToken", text):
        return JobError("KINESIS_REFUSED", "Kinesis refused the credentials.", "Check the cluster's role and its rights.")
    return error
