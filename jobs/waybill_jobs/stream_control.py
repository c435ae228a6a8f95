"""A streaming query under supervision: its progress told after each batch, its end asked for by files.

A supervisor leaves two objects in the control folder: `lease.json`, which it writes anew again and again, and
`drain-<generation>`, which asks for the end after the batch under way. A query whose lease is no longer renewed ends by
itself, so that none runs on when nobody watches it; one that sees a lease of a later generation has been replaced.
"""

import json
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming import DataStreamWriter, StreamingQuery

from waybill_jobs.errors import JobError
from waybill_jobs.io import exists, read_text, write_text

#: Seconds between two looks at the control folder, and between two progress reports that say nothing new.
_LOOK_SECONDS = 2.0
_BEAT_SECONDS = 10.0
#: How long a drain waits for the batch under way; a batch that is cut off then is done again, and written once.
_BATCH_PATIENCE = 600.0

#: What is behind: by the query's last progress and the moment of the last row taken.
Lag = Callable[[dict[str, Any], datetime | None], dict[str, float]]


@dataclass(frozen=True)
class Supervision:
    """`interval` is a trigger such as "5 seconds"; None takes what is there and ends. `seconds` ends an interval."""

    interval: str | None = None
    seconds: int | None = None
    progress: str | None = None
    control: str | None = None
    generation: int = 0
    lease_seconds: int | None = None

    def check(self) -> None:
        if self.interval is not None and self.seconds is None and self.control is None:
            raise JobError("INGEST_NO_END", "--interval has no end.", "Add --for-seconds, or --control.")


class Stream:
    """Runs one query to its end. `batch` is what foreachBatch does; it counts by `took`."""

    def __init__(self, spark: SparkSession, supervision: Supervision, run: str, lag: Lag) -> None:
        self._spark = spark
        self._how = supervision
        self._run = run
        self._lag = lag
        self._started = time.monotonic()
        self._rows = 0
        self._newest: datetime | None = None
        self._busy = threading.Lock()
        self._batches = 0
        self._lease: tuple[str | None, float] = (None, time.monotonic())
        self._told: tuple[Any, ...] = ()
        self._told_at = 0.0
        #: A refusal within a micro-batch; Spark would wrap it beyond recognition.
        self.refusal: JobError | None = None
        #: Why it ended: "end" of what there was, "time", "drain", "lease" or "replaced".
        self.reason = "end"

    def took(self, rows: int, newest: datetime | None) -> None:
        """Counts a batch that has been written; `newest` is the moment of its last row."""
        self._rows += rows
        self._batches += 1
        if newest is not None and (self._newest is None or newest > self._newest):
            self._newest = newest

    @property
    def batches(self) -> int:
        return self._batches

    def run(self, writer: "DataStreamWriter", batch: Callable[[DataFrame, int], None]) -> None:
        """Starts the query and returns when it has ended. Raises what a batch refused, or what Spark says."""
        if self._wanted_end() == "replaced":
            self.reason = "replaced"
            return

        def guarded(frame: DataFrame, number: int) -> None:
            with self._busy:
                try:
                    batch(frame, number)
                except JobError as error:
                    self.refusal = error
                    raise

        how = self._how
        trigger: dict[str, Any] = {"processingTime": how.interval} if how.interval else {"availableNow": True}
        query = writer.foreachBatch(guarded).trigger(**trigger).start()
        try:
            self._follow(query)
        except Exception:
            if self.refusal is not None:
                raise self.refusal from None
            raise
        finally:
            query.stop()
            # A batch that was cut off may still be writing: it must not go on beside the job's end.
            with self._busy:
                self._tell(query, "ended")

    def _follow(self, query: "StreamingQuery") -> None:
        looked = 0.0
        while not query.awaitTermination(1):
            self._tell(query, "running")
            if time.monotonic() - looked < _LOOK_SECONDS:
                continue
            looked = time.monotonic()
            reason = self._wanted_end()
            if reason is not None:
                self.reason = reason
                print(f"waybill stream ends: {reason}", file=sys.stderr, flush=True)
                self._tell(query, "draining")
                self._finish_batch(query)
                return

    def _wanted_end(self) -> str | None:
        how = self._how
        if how.seconds is not None and time.monotonic() - self._started >= how.seconds:
            return "time"
        if how.control is None:
            return None
        try:
            if exists(self._spark, f"{how.control}/drain-{how.generation}"):
                return "drain"
            if self._replaced():
                return "replaced"
        except Exception as error:  # storage that does not answer for a moment: the lease says how long that may last
            print(f"waybill control folder: {str(error).splitlines()[0][:300]}", file=sys.stderr, flush=True)
        if how.lease_seconds is not None and time.monotonic() - self._lease[1] > how.lease_seconds:
            return "lease"
        return None

    def _replaced(self) -> bool:
        """Reads the lease: notes when it was renewed, by this machine's own clock, and says whether it is another's."""
        control = self._how.control
        if control is None or not exists(self._spark, f"{control}/lease.json"):
            return False
        text = self._read(f"{control}/lease.json")
        if text != self._lease[0]:
            self._lease = (text, time.monotonic())
        try:
            generation = json.loads(text).get("generation", 0)
        except (ValueError, AttributeError):
            return False
        return isinstance(generation, int) and generation > self._how.generation

    def _read(self, uri: str) -> str:
        """A file that is written anew now and then: S3A refuses to read on in one that has changed since it was opened."""
        for _ in range(3):
            try:
                return read_text(self._spark, uri)
            except Exception:
                time.sleep(0.2)
        return read_text(self._spark, uri)

    def _finish_batch(self, query: "StreamingQuery") -> None:
        """Waits for the end of the batch under way, or of the one that has begun in the meantime."""
        before, deadline = self._batches, time.monotonic() + _BATCH_PATIENCE
        while query.isActive and time.monotonic() < deadline:
            if not query.status["isTriggerActive"] or self._batches > before:
                return
            time.sleep(0.2)

    def _tell(self, query: "StreamingQuery", state: str) -> None:
        if self._how.progress is None:
            return
        last: Any = query.lastProgress
        progress: dict[str, Any] = json.loads(last.json) if last is not None and hasattr(last, "json") else dict(last or {})
        mark = (state, progress.get("batchId"), progress.get("timestamp"), self._batches)
        if mark == self._told and time.monotonic() - self._told_at < _BEAT_SECONDS:
            return
        self._told, self._told_at = mark, time.monotonic()
        duration = progress.get("durationMs") or {}
        report = {
            "waybill": "progress",
            "run": self._run,
            "generation": self._how.generation,
            "state": state,
            **({"reason": self.reason} if state != "running" else {}),
            "at": _iso(datetime.now(timezone.utc)),
            "batch": progress.get("batchId", -1),
            "batchAt": progress.get("timestamp"),
            "batchSeconds": round(duration.get("triggerExecution", 0) / 1000, 3),
            "batchRows": progress.get("numInputRows", 0),
            "rowsPerSecond": _number(progress.get("processedRowsPerSecond")),
            "rows": self._rows,
            "batches": self._batches,
            **({"newest": _iso(self._newest)} if self._newest is not None else {}),
            "behind": self._behind(progress),
            "sources": [
                {key: source.get(key) for key in ("description", "endOffset", "latestOffset")}
                for source in progress.get("sources", [])
            ],
        }
        try:
            write_text(self._spark, self._how.progress, json.dumps(report))
        except Exception as error:  # a report that is not written is no reason to end a stream
            print(f"waybill progress: {str(error).splitlines()[0][:300]}", file=sys.stderr, flush=True)

    def _behind(self, progress: dict[str, Any]) -> dict[str, float]:
        if not progress:
            return {}
        try:
            return self._lag(progress, self._newest)
        except Exception as error:
            print(f"waybill lag: {str(error).splitlines()[0][:300]}", file=sys.stderr, flush=True)
            return {}


def _iso(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _number(value: Any) -> float:
    # Spark writes NaN where nothing was processed, which JSON cannot carry.
    return round(value, 1) if isinstance(value, (int, float)) and value == value and abs(value) != float("inf") else 0.0
