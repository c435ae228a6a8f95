"""Amazon Kinesis as a Spark data source in Python, under the name and with the columns of the connector on EMR.

An offset says for each shard how far it has been read: `{"shards": {"shardId-000000000000": {"at": "4957…"}}}`, with
`"done": true` when a closed shard has been read to its end. Where a batch ends is found by reading ahead, because Kinesis
does not tell a shard's last sequence number: so each record is fetched twice, and a batch that is done again is the same.
"""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from typing import Any

from pyspark.sql.datasource import DataSource, DataSourceStreamReader, InputPartition
from pyspark.sql.streaming.datasource import ReadAllAvailable, ReadLimit, ReadMaxRows, SupportsTriggerAvailableNow
from pyspark.sql.types import StructType

NAME = "aws-kinesis"
SCHEMA = (
    "data BINARY, streamName STRING, partitionKey STRING, sequenceNumber STRING, approximateArrivalTimestamp TIMESTAMP"
)
#: Kinesis gives at most 10,000 records or 10 MB a call, and five calls a second and shard.
_CALL_LIMIT = 10_000
_RETRIES = 8
#: Shards that are looked ahead into at a time.
_AT_ONCE = 8
_BUSY = ("ProvisionedThroughputExceededException", "LimitExceededException", "KMSThrottlingException", "InternalFailure")

Offset = dict[str, Any]


class KinesisDataLost(Exception):
    """A shard has gone that had not been read to its end."""


def connect(options: dict[str, str]) -> Any:
    """A client by the source's options; the endpoint else by AWS_ENDPOINT_URL_KINESIS."""
    import boto3  # type: ignore[import-untyped]
    from botocore.config import Config  # type: ignore[import-untyped]

    retry = Config(retries={"mode": "standard", "max_attempts": 5}, connect_timeout=10, read_timeout=30)
    return boto3.client(
        "kinesis",
        region_name=options.get("kinesis.region"),
        endpoint_url=options.get("kinesis.endpointurl") or None,
        config=retry,
    )


class KinesisSource(DataSource):
    """Options as the connector's: kinesis.streamName, .region, .endpointUrl, .startingposition, .maxFetchRecordsPerShard."""

    @classmethod
    def name(cls) -> str:
        return NAME

    def schema(self) -> str:
        return SCHEMA

    def streamReader(self, schema: StructType) -> DataSourceStreamReader:
        return KinesisReader({key.lower(): value for key, value in self.options.items()})


class _ShardRange(InputPartition):
    def __init__(self, shard: str, after: str | None, until: str) -> None:
        super().__init__((shard, after, until))
        self.shard, self.after, self.until = shard, after, until


class KinesisReader(DataSourceStreamReader, SupportsTriggerAvailableNow):
    """Plans batches on the driver and reads ranges of shards in tasks."""

    def __init__(self, options: dict[str, str], client: Callable[[dict[str, str]], Any] = connect) -> None:
        self._options = options
        self._stream = options["kinesis.streamname"]
        self._client = client
        self._per_shard = int(options.get("kinesis.maxfetchrecordspershard", "100000"))
        self._loss = options.get("failondataloss", "true").lower() != "false"
        #: With availableNow: the moment after which records are not taken.
        self._not_after: datetime | None = None

    def initialOffset(self) -> Offset:
        if self._options.get("kinesis.startingposition", "").upper() != "LATEST":
            return {"shards": {}}
        # The tip moves while nothing has been read: the moment is kept, so that no record after it is passed over.
        return {"shards": {}, "since": datetime.now(timezone.utc).isoformat()}

    def getDefaultReadLimit(self) -> ReadLimit:
        return ReadMaxRows(self._per_shard)

    def prepareForTriggerAvailableNow(self) -> None:
        self._not_after = datetime.now(timezone.utc)

    def latestOffset(self, start: Offset, limit: ReadLimit) -> Offset:
        """How far a batch may read: each shard at most the limit, children of a shard once it has been read whole."""
        client = self._client(self._options)
        most = None if isinstance(limit, ReadAllAvailable) else self._per_shard
        known: dict[str, Any] = dict(start.get("shards", {}))
        listed = self._shards(client)
        gone = [shard for shard, state in known.items() if shard not in listed and not state.get("done")]
        if gone and self._loss:
            raise KinesisDataLost(
                f"KINESIS_DATA_LOST: {', '.join(gone)} of {self._stream} went before they had been read to their end"
            )
        # What has gone and was read is no longer of interest.
        shards = {shard: state for shard, state in known.items() if shard in listed}
        def ahead(shard: str) -> Offset:
            # A child of a shard that was read follows it from its first record, whatever the starting position.
            follows = any(parent in known for parent in listed[shard])
            position = "TRIM_HORIZON" if follows else self._position(start)
            return self._ahead(client, shard, shards.get(shard, {}), position, most)

        done = {shard for shard, state in shards.items() if state.get("done")}
        ready = [
            shard
            for shard, parents in listed.items()
            if shard not in done and all(parent in done or parent not in listed for parent in parents)
        ]
        with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
            found = dict(zip(ready, pool.map(ahead, ready), strict=True))
        # A shard of which nothing is known yet is left out: an offset that differs makes a batch.
        shards.update({shard: state for shard, state in found.items() if state})
        return {**start, "shards": shards}

    def _position(self, start: Offset) -> str:
        since = start.get("since")
        return f"AT_TIMESTAMP {since}" if since else self._options.get("kinesis.startingposition", "TRIM_HORIZON")

    def partitions(self, start: Offset, end: Offset) -> list[InputPartition]:
        before = start.get("shards", {})
        ranges: list[InputPartition] = []
        for shard, state in end.get("shards", {}).items():
            until, after = state.get("at"), before.get(shard, {}).get("at")
            if until is not None and until != after:
                ranges.append(_ShardRange(shard, after or state.get("from"), until))
        return ranges

    def read(self, partition: InputPartition) -> Iterator[tuple[Any, ...]]:
        assert isinstance(partition, _ShardRange)
        client = self._client(self._options)
        first = partition.after is not None and partition.after.startswith("=")
        after = partition.after[1:] if first and partition.after is not None else partition.after
        for record in self._records(client, partition.shard, after, inclusive=first):
            at = record["ApproximateArrivalTimestamp"]
            arrived = at if isinstance(at, datetime) else datetime.fromtimestamp(at, timezone.utc)
            number = record["SequenceNumber"]
            yield (bytes(record["Data"]), self._stream, record["PartitionKey"], number, arrived)
            if int(number) >= int(partition.until):
                return
        raise KinesisDataLost(
            f"KINESIS_DATA_LOST: {partition.shard} of {self._stream} ends before {partition.until}, which was there"
        )

    def commit(self, end: Offset) -> None:
        pass

    def behind(self, end: Offset) -> float:
        """The longest time in ms that a shard's next record has waited, by Kinesis' own count."""
        client, longest = self._client(self._options), 0.0
        for shard, state in end.get("shards", {}).items():
            if state.get("done") or state.get("at") is None:
                continue
            # A limit of one: the count is of the record after it, so no waiting record shows as a second at most.
            answer = client.get_records(ShardIterator=self._iterator(client, shard, state["at"]), Limit=1)
            waits = float(answer.get("MillisBehindLatest", 0))
            for record in answer["Records"]:
                at = record["ApproximateArrivalTimestamp"]
                moment = at.timestamp() if isinstance(at, datetime) else float(at)
                waits = max(waits, (time.time() - moment) * 1000)
            longest = max(longest, waits)
        return longest

    def _shards(self, client: Any) -> dict[str, list[str]]:
        """Every shard that still holds records, closed ones too, with its parents."""
        found: dict[str, list[str]] = {}
        request: dict[str, Any] = {"StreamName": self._stream}
        while True:
            page = client.list_shards(**request)
            for shard in page["Shards"]:
                parents = (shard.get("ParentShardId"), shard.get("AdjacentParentShardId"))
                found[shard["ShardId"]] = [parent for parent in parents if parent]
            if not page.get("NextToken"):
                return found
            request = {"NextToken": page["NextToken"]}

    def _ahead(self, client: Any, shard: str, state: Offset, position: str, most: int | None) -> Offset:
        """A shard's state after reading on by at most so many records."""
        first, last, count = None, None, 0
        start = self._iterator(client, shard, state.get("at"), position=position)
        for record, closed in self._pages(client, shard, start):
            if record is None:
                return {**_read_to(state, first, last), **({"done": True} if closed else {})}
            at = record["ApproximateArrivalTimestamp"]
            arrived = at if isinstance(at, datetime) else datetime.fromtimestamp(at, timezone.utc)
            if self._not_after is not None and arrived > self._not_after:
                break
            first, last, count = first or record["SequenceNumber"], record["SequenceNumber"], count + 1
            if most is not None and count >= most:
                break
        return _read_to(state, first, last)

    def _records(self, client: Any, shard: str, after: str | None, inclusive: bool) -> Iterator[dict[str, Any]]:
        start = self._iterator(client, shard, after, inclusive=inclusive)
        for record, _ in self._pages(client, shard, start):
            if record is None:
                return
            yield record

    def _pages(self, client: Any, shard: str, iterator: str | None) -> Iterator[tuple[dict[str, Any] | None, bool]]:
        """Records, then `(None, closed)` at the tip or, where the shard is closed, at its end."""
        after: str | None = None
        while iterator:
            answer, iterator = self._get(client, shard, iterator, after)
            for record in answer["Records"]:
                after = record["SequenceNumber"]
                yield record, False
            iterator = answer.get("NextShardIterator")
            # An empty page is not the tip: Kinesis gives them between records that lie far apart.
            if iterator and not answer["Records"] and answer.get("MillisBehindLatest", 0) == 0:
                yield None, False
                return
        yield None, True

    def _get(self, client: Any, shard: str, iterator: str, after: str | None) -> tuple[dict[str, Any], str]:
        for attempt in range(_RETRIES):
            try:
                return client.get_records(ShardIterator=iterator, Limit=_CALL_LIMIT), iterator
            except Exception as error:
                code = getattr(error, "response", {}).get("Error", {}).get("Code", "")
                if code == "ExpiredIteratorException" and after is not None:
                    iterator = self._iterator(client, shard, after)
                elif code not in _BUSY or attempt == _RETRIES - 1:
                    raise
                time.sleep(min(10.0, 0.2 * 2**attempt))
        raise AssertionError(shard)

    def _iterator(
        self, client: Any, shard: str, after: str | None, *, inclusive: bool = False, position: str = "TRIM_HORIZON"
    ) -> str:
        where: dict[str, Any]
        if after is not None:
            kind = "AT_SEQUENCE_NUMBER" if inclusive else "AFTER_SEQUENCE_NUMBER"
            where = {"ShardIteratorType": kind, "StartingSequenceNumber": after}
        else:
            kind, _, moment = position.partition(" ")
            where = {"ShardIteratorType": kind.upper()}
            if moment:
                where["Timestamp"] = datetime.fromisoformat(moment.replace("Z", "+00:00"))
        answer = client.get_shard_iterator(StreamName=self._stream, ShardId=shard, **where)
        return str(answer["ShardIterator"])


def _read_to(state: Offset, first: str | None, last: str | None) -> Offset:
    """`from` is the first record of a shard's first batch: done again, the batch begins with it, whatever has expired."""
    if last is None:
        return dict(state)
    begun = {} if state.get("at") is not None else {"from": f"={first}"}
    return {**begun, "at": last}


def parse_offset(value: Any) -> Offset:
    """An offset as a query's progress holds it; empty where another connector wrote it."""
    try:
        parsed = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return {"shards": {}}
    shards = parsed.get("shards") if isinstance(parsed, dict) else None
    return {"shards": shards} if isinstance(shards, dict) else {"shards": {}}
