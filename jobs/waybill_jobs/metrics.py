"""What Spark itself says of a job: failed stages, executor time, bytes read and spilled, memory in use.

Read from the driver's own status store, which is there without Spark's web page. It keeps the newest 1,000 stages
(`spark.ui.retainedStages`); of a job with more, the figures of the oldest are missing.
"""

import json
import sys
import threading
from types import TracebackType
from typing import Any

from pyspark.sql import SparkSession

from waybill_jobs.io import write_text

#: Seconds between two writes of the figures while a job runs.
INTERVAL = 30.0


def read_metrics(spark: SparkSession) -> dict[str, Any]:
    """The figures of this application until now."""
    context: Any = spark.sparkContext
    store = context._jsc.sc().statusStore()
    no_quantiles = context._gateway.new_array(context._jvm.double, 0)
    nothing = context._jvm.java.util.ArrayList()
    stages = _items(store.stageList(nothing, False, False, no_quantiles, nothing))
    executors = _items(store.executorList(False))

    def total(of: str) -> int:
        return sum(int(getattr(stage, of)()) for stage in stages)

    states = [stage.status().toString() for stage in stages]
    return {
        "failedStages": states.count("FAILED"),
        "completedStages": states.count("COMPLETE"),
        "failedTasks": total("numFailedTasks"),
        "executorRunSeconds": round(total("executorRunTime") / 1e3, 3),
        "executorCpuSeconds": round(total("executorCpuTime") / 1e9, 3),
        "inputBytes": total("inputBytes"),
        "outputBytes": total("outputBytes"),
        "shuffleReadBytes": total("shuffleReadBytes"),
        "shuffleWriteBytes": total("shuffleWriteBytes"),
        "memorySpilledBytes": total("memoryBytesSpilled"),
        "diskSpilledBytes": total("diskBytesSpilled"),
        "executors": len(executors),
        **_memory(executors),
    }


def _memory(executors: list[Any]) -> dict[str, Any]:
    """The fullest executor: its heap, and the part of what execution and storage share that was in use at its peak."""
    heap = 0
    share: float | None = None
    for executor in executors:
        peaks = executor.peakMemoryMetrics()
        if peaks.isEmpty():
            continue
        peak = peaks.get()
        used = sum(int(peak.getMetricValue(name)) for name in ("OnHeapUnifiedMemory", "OffHeapUnifiedMemory"))
        heap = max(heap, int(peak.getMetricValue("JVMHeapMemory")))
        limit = int(executor.maxMemory())
        if limit > 0:
            share = max(share or 0.0, used / limit)
    return {"peakHeapBytes": heap, **({} if share is None else {"peakMemoryShare": round(share, 4)})}


def _items(sequence: Any) -> list[Any]:
    return [sequence.apply(index) for index in range(sequence.size())]


def metrics_path(result_path: str) -> str:
    """Where a job's figures are while it runs: beside its result."""
    return result_path.removesuffix(".json") + ".metrics.json"


class LiveMetrics:
    """Writes a job's figures beside its result while it runs. Never the reason that a job fails."""

    def __init__(self, spark: SparkSession, result_path: str | None, interval: float = INTERVAL) -> None:
        self._spark = spark
        self._path = None if result_path is None else metrics_path(result_path)
        self._interval = interval
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="waybill-metrics", daemon=True)

    def __enter__(self) -> "LiveMetrics":
        if self._path is not None:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._ended.wait(self._interval):
            try:
                write_text(self._spark, str(self._path), json.dumps(read_metrics(self._spark)) + "\n")
            except Exception as error:  # figures are a help to people, never more than that
                print(f"waybill metrics not written: {error}", file=sys.stderr, flush=True)


def final_metrics(spark: SparkSession) -> dict[str, Any]:
    """The figures for the result; nothing where this Spark does not give them."""
    try:
        return {"metrics": read_metrics(spark)}
    except Exception as error:
        print(f"waybill metrics not read: {error}", file=sys.stderr, flush=True)
        return {}
