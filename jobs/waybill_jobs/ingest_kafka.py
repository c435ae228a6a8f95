"""Kafka topics to a bronze Delta table, each message once, by Spark's own connector."""

import json
import os
import re
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from pyspark.sql import Column as SqlColumn
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from waybill_jobs.errors import JobError
from waybill_jobs.evolution import Place, Rule
from waybill_jobs.io import exists, read_table, read_text, write_text
from waybill_jobs.messages import Table, decode, text_of
from waybill_jobs.results import TableResult
from waybill_jobs.stream_control import Stream, Supervision

KEYS = ("string", "binary")
#: Columns that say which message a row was.
OWN = ("_key", "_topic", "_partition", "_offset", "_timestamp", "_timestamp_type", "_headers")

#: Options of the source that the job sets itself, and those that others may set beside Kafka's own `kafka.…`.
_ALLOWED = {"minpartitions", "maxrecordsperpartition", "groupidprefix", "fetchoffset.numretries", "fetchoffset.retryintervalms",
            "kafkaconsumer.polltimeoutms", "minoffsetspertrigger", "maxtriggerdelay"}
_SECRET = re.compile(r"jaas|password|secret|\.key$|token", re.IGNORECASE)
_STARTS = ("earliest", "latest")


@dataclass(frozen=True)
class KafkaSource:
    """`secrets` names the environment variable that holds an option's value. `options` are Kafka's, `kafka.…`."""

    servers: str
    topics: str | None = None
    pattern: str | None = None
    format: str = "json"
    key_format: str = "string"
    evolution: str = "addNewColumns"
    hints: str = ""
    starting: str = "earliest"
    max_offsets: int | None = None
    fail_on_data_loss: bool = True
    options: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)


def ingest_kafka(
    spark: SparkSession, lake: str, table: str, source: KafkaSource, supervision: Supervision, run: str
) -> tuple[list[TableResult], dict[str, Any]]:
    """Appends messages not taken before. A repeated, killed or resumed job appends nothing twice and leaves none out."""
    options = _options(source)
    supervision.check()
    place = Place.of(lake, table)
    what = source.topics or source.pattern or ""
    rule = Rule(source.evolution, source.hints, {name: name for name in OWN}, what, "")
    target = Table(spark, place, "ingest-kafka", rule, run, "_timestamp")
    taken = _taken_before(spark, place, target.before)
    stream = Stream(spark, supervision, run, _lag)

    def batch(frame: DataFrame, number: int) -> None:
        target.take(decode(_new(frame, taken), source.format, "payload", _own(source)), number, stream)

    messages = spark.readStream.format("kafka").options(**options).load().withColumnRenamed("value", "payload")
    try:
        stream.run(messages.writeStream.option("checkpointLocation", place.checkpoint), batch)
    except JobError:
        raise
    except Exception as error:
        raise _named(error, source) from error
    return target.result(spark, stream), {"topics": what}


def _own(source: KafkaSource) -> list[SqlColumn]:
    key = F.col("key") if source.key_format == "binary" else text_of(F.col("key"))
    kind = F.when(F.col("timestampType") == 1, "LogAppendTime").otherwise("CreateTime")
    columns = (key, *map(F.col, ("topic", "partition", "offset", "timestamp")), kind, F.col("headers"))
    return [column.alias(name) for column, name in zip(columns, OWN, strict=True)]


def _options(source: KafkaSource) -> dict[str, str]:
    if (source.topics is None) == (source.pattern is None):
        raise JobError("KAFKA_BAD_TOPICS", "The job reads topics or a pattern.", "Give --topics or --topic-pattern.")
    for name in (*source.options, *source.secrets):
        lower = name.lower()
        if lower == "kafka.bootstrap.servers" or not (lower.startswith("kafka.") or lower in _ALLOWED):
            raise JobError(
                "INGEST_OPTION_RESERVED",
                f"The job sets {name} itself, or Spark's Kafka source has no such option.",
                "Options are Kafka's own with kafka. before their names, and a few of Spark's (jobs/README.md).",
            )
    for name in source.options:
        if _SECRET.search(name):
            raise JobError(
                "KAFKA_SECRET_IN_OPTIONS",
                f"{name} may hold a secret, and arguments are seen by everybody who sees the step.",
                'Name a variable instead: --secret-options \'{"kafka.sasl.jaas.config": "KAFKA_JAAS"}\'.',
            )
    secrets = {name: os.environ.get(variable, "") for name, variable in source.secrets.items()}
    missing = sorted(source.secrets[name] for name, value in secrets.items() if value == "")
    if missing:
        raise JobError(
            "KAFKA_NO_SECRET",
            f"The environment has no {', '.join(missing)}.",
            "On YARN set spark.yarn.appMasterEnv.NAME and spark.executorEnv.NAME.",
        )
    chosen = {"subscribe": source.topics} if source.topics is not None else {"subscribePattern": source.pattern or ""}
    return {
        **source.options,
        **secrets,
        **chosen,
        "kafka.bootstrap.servers": source.servers,
        "startingOffsets": _starting(source.starting),
        "failOnDataLoss": str(source.fail_on_data_loss).lower(),
        "includeHeaders": "true",
        **({} if source.max_offsets is None else {"maxOffsetsPerTrigger": str(source.max_offsets)}),
    }


def _starting(text: str) -> str:
    if text in _STARTS:
        return text
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if isinstance(value, dict) and all(isinstance(each, dict) for each in value.values()):
        return text
    raise JobError(
        "KAFKA_BAD_START",
        f"{text} is no place to start.",
        'Write earliest, latest, or offsets by topic and partition: {"orders": {"0": 23, "1": -2}}.',
    )


def _taken_before(spark: SparkSession, place: Place, before: int) -> DataFrame | None:
    """Where each partition stood when the checkpoint was lost beside an existing table; None where it was not.

    The table itself says so: a partition's messages are taken in order. It is written down in the new checkpoint, as the
    way back may take more than one run.
    """
    note = f"{place.checkpoint}/taken-before.json"
    if not exists(spark, note):
        if before < 0 or exists(spark, f"{place.checkpoint}/offsets"):
            return None
        rows = read_table(spark, place.path, before).groupBy("_topic", "_partition").agg(F.max("_offset")).collect()
        write_text(spark, note, json.dumps([list(row) for row in rows]))
    known = [tuple(each) for each in json.loads(read_text(spark, note))]
    return spark.createDataFrame(known, "topic STRING, partition INT, last BIGINT")


def _new(frame: DataFrame, taken: DataFrame | None) -> DataFrame:
    if taken is None:
        return frame
    joined = frame.join(F.broadcast(taken), ["topic", "partition"], "left")
    return joined.where("last IS NULL OR offset > last").select(*frame.columns)


def _lag(progress: dict[str, Any], newest: datetime | None) -> dict[str, float]:
    """Messages that wait, by the offsets of the last progress; and, while some wait, the age of the last one taken."""
    behind = 0
    for source in progress.get("sources", []):
        if source.get("latestOffset") is None:
            return {}  # a batch that is done again after a restart was planned without asking
        end, latest = _offsets(source.get("endOffset")), _offsets(source.get("latestOffset"))
        behind += sum(max(0, offset - end.get(where, 0)) for where, offset in latest.items())
    seconds = 0.0
    if behind > 0 and newest is not None:
        seconds = max(0.0, round((datetime.now(timezone.utc) - newest).total_seconds(), 1))
    return {"offsets": behind, "seconds": seconds}


def _offsets(value: Any) -> dict[tuple[str, str], int]:
    """`{"topic": {"0": 23}}`, which progress holds as text or as an object."""
    parsed = json.loads(value) if isinstance(value, str) else value
    return {
        (topic, partition): int(offset)
        for topic, partitions in (parsed or {}).items()
        for partition, offset in partitions.items()
    }


def _named(error: Exception, source: KafkaSource) -> Exception:
    """What Kafka and Spark say in many words, by name."""
    text = str(error)
    what = source.topics or source.pattern
    if "KAFKA_DATA_LOSS" in text or "data may have been lost" in text:
        cause = next((line for line in text.splitlines() if "KAFKA_DATA_LOSS" in line or "may have been lost" in line), "")
        return JobError(
            "KAFKA_DATA_LOSS",
            f"Messages of {what} that were not taken are gone from Kafka, or the topic was made anew: {cause.strip()[:300]}",
            "See the topic's retention. --fail-on-data-loss false goes on with what is left; a topic made anew wants a new --table.",
        )
    if "UnknownTopicOrPartition" in text:
        return JobError("KAFKA_NO_TOPIC", f"Kafka at {source.servers} has no {what}.", "Check --topics and the account's rights.")
    if re.search(r"Authenticat\w*Exception|AuthorizationException", text):
        return JobError("KAFKA_REFUSED", f"Kafka at {source.servers} refused the account.", "Check --secret-options and ACLs.")
    if re.search(r"TimeoutException|No resolvable bootstrap|KafkaException: Failed to (construct|create)", text):
        return JobError(
            "KAFKA_UNREACHABLE", f"Kafka at {source.servers} does not answer.", "Check --servers, network and listeners."
        )
    return error
