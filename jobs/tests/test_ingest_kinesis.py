"""Records of a Kinesis stream, each once, by the package's own source: shards, resharding, lost checkpoints."""

import json
import shutil
import uuid
from datetime import datetime, timezone

import boto3
import pytest
from pyspark.sql.streaming.datasource import ReadAllAvailable, ReadMaxRows
from services import kinesis
from waybill_jobs.kinesis_source import KinesisDataLost, KinesisReader


@pytest.fixture(scope="module")
def endpoint():
    with kinesis() as address:
        yield address


@pytest.fixture
def stream():
    return f"s-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def client(spark, endpoint, stream):
    made = boto3.client("kinesis", region_name="us-east-1", endpoint_url=endpoint)
    made.create_stream(StreamName=stream, ShardCount=2)
    return made


@pytest.fixture
def send(client, stream):
    def write(*values) -> None:
        records = [
            {"PartitionKey": f"p{at}", "Data": value if isinstance(value, bytes) else json.dumps(value).encode()}
            for at, value in enumerate(values)
        ]
        assert client.put_records(StreamName=stream, Records=records)["FailedRecordCount"] == 0

    return write


@pytest.fixture
def ingest(job, client, endpoint, stream):
    def run(*extra: str):
        where = ("--table", "bronze/events", "--stream", stream, "--region", "us-east-1", "--endpoint", endpoint)
        result = job("ingest_kinesis", *where, *extra)
        return result if result["exit"] else {**result["tables"][0], "source": result["source"], "exit": 0}

    return run


def test_each_record_once_over_batches_restarts_and_new_shards(world, client, stream, send, ingest, table):
    send(*[{"id": n} for n in range(40)], b"\xff", b"[1")
    first = ingest("--hints", "id BIGINT", "--max-records", "10")
    assert (first["rows"], first["source"]) == (42, "python")
    assert first["batches"] >= 2
    assert ingest()["rowsAdded"] == 0
    # A shard is split: what ministack's parent held is gone with it, and had been read.
    shard = client.list_shards(StreamName=stream)["Shards"][0]
    low, high = (int(shard["HashKeyRange"][end]) for end in ("StartingHashKey", "EndingHashKey"))
    client.split_shard(StreamName=stream, ShardToSplit=shard["ShardId"], NewStartingHashKey=str((low + high) // 2))
    send(*[{"id": n} for n in range(40, 80)])
    refused = ingest()
    assert (refused["code"], shard["ShardId"] in refused["message"]) == ("KINESIS_DATA_LOSS", True)
    assert ingest("--fail-on-data-loss", "false")["rowsAdded"] == 40
    commits = world.root / "lake/_checkpoints/bronze/events/commits"
    last = max(int(path.name) for path in commits.iterdir() if path.name.isdigit())
    for name in (str(last), f".{last}.crc"):
        (commits / name).unlink(missing_ok=True)
    assert ingest()["rowsAdded"] == 0
    shutil.rmtree(commits.parent)
    send({"id": 80})
    # What the lost checkpoint knew is found in the table; the shard that was split cannot be read again.
    assert ingest()["rowsAdded"] == 1
    rows = table("bronze/events").collect()
    assert sorted(row["id"] for row in rows if row["id"] is not None) == list(range(81))
    rescued = {json.loads(row["_rescued_data"])["_corrupt_record"] for row in rows if row["_rescued_data"]}
    assert rescued == {"base64:/w==", "[1"}
    assert {row["_stream"] for row in rows} == {stream}


def test_refusals_name_the_cause(client, ingest):
    assert ingest("--starting-position", "NOW")["code"] == "KINESIS_BAD_START"
    assert ingest("--source", "connector")["code"] == "KINESIS_NO_CONNECTOR"
    assert ingest("--stream", "not-there")["code"] == "KINESIS_NO_STREAM"


class Shards:
    """Kinesis' answers for closed shards, which ministack does not keep: (parents, records, closed) by shard."""

    def __init__(self, **shards):
        self.shards = shards

    def list_shards(self, **_):
        listed = [
            {"ShardId": name, **dict(zip(("ParentShardId", "AdjacentParentShardId"), parents, strict=False))}
            for name, (parents, _, _) in self.shards.items()
        ]
        return {"Shards": listed}

    def get_shard_iterator(self, ShardId, ShardIteratorType, StartingSequenceNumber="-1", **_):
        after = int(StartingSequenceNumber)
        start = after if ShardIteratorType == "AT_SEQUENCE_NUMBER" else after + 1
        return {"ShardIterator": f"{ShardId}/{start if ShardIteratorType != 'AT_TIMESTAMP' else 1000}"}

    def get_records(self, ShardIterator, Limit):
        shard, start = ShardIterator.split("/")
        _, count, closed = self.shards[shard]
        start = int(start)
        end = min(count, start + min(Limit, 3))  # pages of three
        records = [
            {
                "SequenceNumber": str(n),
                "PartitionKey": "p",
                "Data": f"{shard}{n}".encode(),
                "ApproximateArrivalTimestamp": datetime(2026, 1, 1, tzinfo=timezone.utc),
            }
            for n in range(start, max(start, end))
        ]
        more = {} if closed and end >= count else {"NextShardIterator": f"{shard}/{max(start, end)}"}
        return {"Records": records, "MillisBehindLatest": 0 if end >= count else 1000, **more}


def _reader(shards: Shards, **options: str) -> KinesisReader:
    given = {"kinesis.streamname": "s", "kinesis.maxfetchrecordspershard": "4"}
    return KinesisReader({**given, **options}, client=lambda _: shards)


def _texts(reader: KinesisReader, start, end) -> list[str]:
    return [row[0].decode() for part in reader.partitions(start, end) for row in reader.read(part)]


def test_children_follow_when_their_parents_have_been_read_whole():
    shards = Shards(a=((), 5, True), b=((), 2, True), c=(("a", "b"), 3, False))
    reader = _reader(shards)
    start, seen, rounds = reader.initialOffset(), list[str](), 0
    while (end := reader.latestOffset(start, ReadMaxRows(4))) != start:
        assert _texts(reader, start, end) == _texts(reader, start, end)  # done again, a batch is the same
        seen += _texts(reader, start, end)
        start, rounds = end, rounds + 1
        assert rounds < 9
    assert seen == [*[f"a{n}" for n in range(4)], "b0", "b1", "a4", "c0", "c1", "c2"]
    assert json.dumps(reader.latestOffset(json.loads(json.dumps(start)), ReadAllAvailable())) == json.dumps(start)
    # A parent that was read and whose records have expired is forgotten; one that was not is an error.
    del shards.shards["a"]
    assert "a" not in reader.latestOffset(start, ReadAllAvailable())["shards"]
    del shards.shards["c"]
    with pytest.raises(KinesisDataLost, match="c of s"):
        reader.latestOffset(start, ReadAllAvailable())
    lenient = _reader(shards, failondataloss="false")
    assert set(lenient.latestOffset(start, ReadAllAvailable())["shards"]) == {"b"}


def test_latest_is_the_moment_of_the_first_start_and_children_are_read_from_their_first_record():
    shards = Shards(a=((), 5, False))
    reader = _reader(shards, **{"kinesis.startingposition": "LATEST"})
    start = reader.initialOffset()
    assert start["since"] and reader.latestOffset(start, ReadAllAvailable()) == start
    start = {**start, "shards": {"a": {"from": "=4", "at": "4"}}}
    shards.shards = {"a": ((), 6, True), "b": (("a",), 2, False)}
    end = reader.latestOffset(start, ReadAllAvailable())
    assert end == {"since": start["since"], "shards": {"a": {"at": "5", "done": True}}}
    assert _texts(reader, start, end) == ["a5"]
    after = reader.latestOffset(end, ReadAllAvailable())
    assert _texts(reader, end, after) == ["b0", "b1"]
    assert reader.behind(after) == 0
    # What a batch was planned to read has gone.
    shards.shards["b"] = (("a",), 1, True)
    with pytest.raises(KinesisDataLost, match="b of s ends before 1"):
        _texts(reader, end, after)
