"""Databricks' Auto Loader in the place of the package's own listing: the same table, columns and rules, by `cloudFiles`."""

import json

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from waybill_jobs.errors import JobError
from waybill_jobs.evolution import Place
from waybill_jobs.io import exists, read_text
from waybill_jobs.schemas import INGESTED_AT, RESCUED, RUN, SOURCE_FILE
from waybill_jobs.stream_control import Stream

LISTINGS = ("own", "cloudFiles")

#: A new column ends the stream once its schema is noted; begun again it goes on by it. More often is something else.
_MOST_RESTARTS = 20


def auto_loader_options(
    place: Place,
    format: str,
    *,
    evolution: str,
    hints: str,
    options: dict[str, str],
    glob: str | None,
    files_per_batch: int,
) -> dict[str, str]:
    """What `cloudFiles` is asked: texts unless hinted, evolution and rescue as the package's own."""
    return {
        **({"header": "true", "multiLine": "true", "escape": options.get("quote", '"')} if format == "csv" else {}),
        **options,
        "cloudFiles.format": format,
        "cloudFiles.schemaLocation": f"{place.schemas}/cloudFiles",
        "cloudFiles.schemaEvolutionMode": evolution,
        "cloudFiles.inferColumnTypes": "false",
        "cloudFiles.maxFilesPerTrigger": str(files_per_batch),
        "cloudFiles.includeExistingFiles": "true",
        "rescuedDataColumn": RESCUED,
        **({"cloudFiles.schemaHints": hints} if hints else {}),
        **({"pathGlobFilter": glob} if glob else {}),
    }


def checkpoint_of(place: Place) -> str:
    """Not the one of the package's own listing: what the two remember has nothing in common."""
    return f"{place.checkpoint}/cloudFiles"


def ingest_by_auto_loader(
    spark: SparkSession, place: Place, folder: str, options: dict[str, str], stream: Stream, run: str
) -> None:
    """Appends what Auto Loader finds new, each micro-batch once. Begins again by itself after a new column."""
    checkpoint = checkpoint_of(place)
    if exists(spark, f"{place.checkpoint}/offsets") and not exists(spark, f"{checkpoint}/offsets"):
        raise JobError(
            "INGEST_OTHER_LISTING",
            f"{place.table} has been filled by the package's own listing, and Auto Loader would take every file again.",
            "Stay with --listing own, or begin another --table.",
        )

    def batch(frame: DataFrame, number: int) -> None:
        if frame.isEmpty():
            return
        stream_id = json.loads(read_text(spark, f"{checkpoint}/metadata"))["id"]
        (
            frame.write.format("delta")
            .mode("append")
            .option("mergeSchema", True)
            .option("txnAppId", f"waybill/ingest-files/{place.table}/{stream_id}")
            .option("txnVersion", number)
            .save(place.path)
        )
        stream.took(0, None)

    for restarts in range(_MOST_RESTARTS + 1):
        try:
            found = spark.readStream.format("cloudFiles").options(**options).load(folder)
            rows = found.select(
                "*",
                F.col("_metadata.file_path").alias(SOURCE_FILE),
                F.current_timestamp().alias(INGESTED_AT),
                F.lit(run).alias(RUN),
            )
            stream.run(rows.writeStream.option("checkpointLocation", checkpoint), batch)
            return
        except Exception as error:
            text = str(error)
            if "DATA_SOURCE_NOT_FOUND" in text or "Failed to find data source: cloudfiles" in text.lower():
                raise JobError(
                    "INGEST_NO_AUTO_LOADER", "Only Databricks has cloudFiles.", "Elsewhere: --listing own."
                ) from error
            if "UNKNOWN_FIELD_EXCEPTION" not in text or "failOnNewColumns" in options.values() or restarts == _MOST_RESTARTS:
                raise
