"""The Spark session of a job: what the cluster configured, plus the few settings the results depend on."""

import json

from pyspark.sql import SparkSession

#: Settings without which the same input could give other values or another plan on another cluster.
PINNED = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.adaptive.enabled": "true",
    "spark.sql.ansi.enabled": "true",
    # Numbers in JSON keep the digits they were written with; the default re-formats doubles.
    "spark.sql.json.enableExactStringParsing": "true",
    # A JSON object with one key twice must not stop the job that reads it.
    "spark.sql.mapKeyDedupPolicy": "LAST_WIN",
}

RUN_KEY = "waybill.run"


def build_session(run: str, job: str) -> SparkSession:
    """The running session, or a new one by the cluster's configuration, stamped with the run.

    Every Delta commit made through it carries `{"waybill.run": run, "waybill.job": job}` as user metadata;
    `restore` reads that to prove that a commit may be undone.
    """
    spark = SparkSession.builder.getOrCreate()
    stamp_session(spark, run, job)
    return spark


def stamp_session(spark: SparkSession, run: str, job: str) -> None:
    """Sets the pinned settings and the commit stamp on a session."""
    for key, value in PINNED.items():
        spark.conf.set(key, value)
    stamp = json.dumps({RUN_KEY: run, "waybill.job": job}, sort_keys=True)
    spark.conf.set("spark.databricks.delta.commitInfo.userMetadata", stamp)


def sibling_session(spark: SparkSession, settings: dict[str, str]) -> SparkSession:
    """A session of its own on the same context, so that settings of one MERGE reach no other write."""
    sibling = spark.newSession()
    for key in (*PINNED, "spark.databricks.delta.commitInfo.userMetadata"):
        sibling.conf.set(key, str(spark.conf.get(key)))
    for key, value in settings.items():
        sibling.conf.set(key, value)
    return sibling


def merge_session(spark: SparkSession, guard: dict[str, str]) -> SparkSession:
    """A session whose MERGE carries Delta's idempotent-write ids: MERGE takes them from settings, not options."""
    return sibling_session(
        spark,
        {
            "spark.databricks.delta.write.txnAppId": guard["txnAppId"],
            "spark.databricks.delta.write.txnVersion": guard["txnVersion"],
        },
    )
