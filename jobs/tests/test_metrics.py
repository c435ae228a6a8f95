"""The figures that Spark gives of a job: read, spilled, failed; and written while the job runs."""

import json
import time
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from waybill_jobs.metrics import LiveMetrics, final_metrics, metrics_path, read_metrics


def test_counts_what_was_shuffled_and_written(spark: SparkSession, tmp_path: Path) -> None:
    before = read_metrics(spark)
    spark.range(50_000).selectExpr("id", "id % 7 as k").orderBy("k").write.parquet(str(tmp_path / "sorted"))
    after = read_metrics(spark)
    assert after["completedStages"] > before["completedStages"]
    assert after["shuffleWriteBytes"] > before["shuffleWriteBytes"]
    assert after["outputBytes"] > before["outputBytes"]
    assert after["executorRunSeconds"] >= before["executorRunSeconds"]
    assert after["executors"] == 1
    assert after["failedStages"] == before["failedStages"]


def test_counts_a_stage_that_fails(spark: SparkSession) -> None:
    before = read_metrics(spark)
    with pytest.raises(Exception, match="kaput"):
        spark.range(10).selectExpr("raise_error('kaput')").collect()
    after = final_metrics(spark)["metrics"]
    assert after["failedStages"] == before["failedStages"] + 1
    assert after["failedTasks"] > before["failedTasks"]


def test_writes_the_figures_while_the_job_runs(spark: SparkSession, tmp_path: Path) -> None:
    result = str(tmp_path / "silver.1.json")
    path = Path(metrics_path(result))
    assert path.name == "silver.1.metrics.json"
    with LiveMetrics(spark, result, interval=0.1):
        deadline = time.monotonic() + 60
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
    assert json.loads(path.read_text())["executors"] == 1


def test_a_job_without_a_result_writes_none(spark: SparkSession, tmp_path: Path) -> None:
    with LiveMetrics(spark, None, interval=0.01):
        time.sleep(0.1)
    assert list(tmp_path.iterdir()) == []
