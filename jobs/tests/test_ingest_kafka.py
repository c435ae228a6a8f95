"""Messages of a real Kafka, each once: payloads, keys and headers, new columns, lost checkpoints and lost messages."""

import json
import shutil
import threading
import time
import uuid

import pytest
from services import kafka


@pytest.fixture(scope="module")
def servers():
    with kafka() as address:
        yield address


@pytest.fixture
def topic():
    return f"t-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def send(spark, servers, topic):
    """Sends (key, value) or (key, value, headers); bytes as they are."""

    def write(*messages: tuple) -> None:
        rows = [(_bytes(m[0]), _bytes(m[1]), m[2] if len(m) > 2 else None) for m in messages]
        frame = spark.createDataFrame(
            rows, "key BINARY, value BINARY, headers ARRAY<STRUCT<key: STRING, value: BINARY>>"
        )
        frame.coalesce(1).write.format("kafka").option("kafka.bootstrap.servers", servers).option(
            "includeHeaders", True
        ).option("topic", topic).save()

    return write


def _bytes(value):
    if value is None or isinstance(value, bytes):
        return value
    return (value if isinstance(value, str) else json.dumps(value)).encode()


@pytest.fixture
def ingest(job, servers, topic):
    def run(*extra: str, run: str = "run-1"):
        where = ("--table", "bronze/events", "--servers", servers, "--topics", topic)
        result = job("ingest_kafka", *where, *extra, run=run)
        return result if result["exit"] else {**result["tables"][0], "exit": 0}

    return run


def test_json_once_with_keys_headers_new_columns_and_what_does_not_fit(send, ingest, table, topic):
    headers = [("trace", b"\x00\x01"), ("trace", b"again")]
    send(("k1", {"id": 1, "what": {"x": [1]}}, headers), (None, '{"id": "no", "a b": 1, "a b": 2}'), ("k3", '{"id": 3, "wh'))
    send(("k4", None), (b"\xff\xfe", b'{"id": "\xff"}'), ("k6", "[1, 2]"))
    first = ingest("--hints", "id BIGINT")
    again = ingest("--hints", "id BIGINT")
    send(("k7", {"id": 7, "ID2": "new", "_key": "mine"}))
    third = ingest("--hints", "id BIGINT", run="run-2")

    assert (first["exit"], first["rows"], first["rowsAdded"], first["schemaVersion"]) == (0, 6, 6, 0)
    assert (again["rowsAdded"], again["written"], again["batches"]) == (0, False, 0)
    assert (third["rowsAdded"], third["columnsAdded"], third["schemaVersion"]) == (1, ["ID2"], 1)
    rows = {row["_key"]: row for row in table("bronze/events").collect()}
    assert (rows["k1"]["id"], rows["k1"]["what"], rows["k1"]["_rescued_data"]) == (1, '{"x":[1]}', None)
    assert [(h["key"], bytes(h["value"])) for h in rows["k1"]["_headers"]] == headers
    assert json.loads(rows[None]["_rescued_data"])["id"] == "no" and "a b" in json.loads(rows[None]["_rescued_data"])
    assert json.loads(rows["k3"]["_rescued_data"]) == {"_corrupt_record": '{"id": 3, "wh'}
    assert (rows["k4"]["id"], rows["k4"]["_rescued_data"]) == (None, None)  # a tombstone has a key and no value
    assert json.loads(rows["base64://4="]["_rescued_data"]) == {"_corrupt_record": "base64:eyJpZCI6ICL/In0="}
    assert json.loads(rows["k6"]["_rescued_data"]) == {"_corrupt_record": "[1, 2]"}
    assert json.loads(rows["k7"]["_rescued_data"]) == {"_key": "mine"}
    assert {row["_topic"] for row in rows.values()} == {topic}
    assert len({(row["_partition"], row["_offset"]) for row in rows.values()}) == 7
    assert {row["_timestamp_type"] for row in rows.values()} == {"CreateTime"}


def test_text_and_bytes_are_kept_as_they_are(send, ingest, table):
    send(("a", b"\xffraw"), ("b", "text"))
    ingest("--format", "binary", "--key-format", "binary")
    rows = {bytes(row["_key"]): bytes(row["value"]) for row in table("bronze/events").collect()}
    assert rows == {b"a": b"\xffraw", b"b": b"text"}


def test_nothing_doubles_or_is_left_out_when_the_checkpoint_is_lost_or_a_batch_was_not_recorded(
    world, send, ingest, table
):
    send(*[(str(n), {"id": n}) for n in range(10)])
    assert ingest("--max-offsets", "4")["batches"] > 1
    commits = world.root / "lake/_checkpoints/bronze/events/commits"
    last = max(int(path.name) for path in commits.iterdir() if path.name.isdigit())
    # As after a kill between Delta's commit and the stream's: the batch is done again.
    for name in (str(last), f".{last}.crc"):
        (commits / name).unlink(missing_ok=True)
    assert ingest()["rowsAdded"] == 0
    shutil.rmtree(commits.parent)
    send(*[(str(n), {"id": n}) for n in range(10, 13)])
    first = ingest("--max-offsets", "5")
    assert (first["rowsAdded"], first["rows"]) == (3, 13)
    send(("13", {"id": 13}))
    assert ingest()["rowsAdded"] == 1
    assert sorted(int(row["id"]) for row in table("bronze/events").collect()) == list(range(14))


def test_messages_that_have_gone_are_an_error_unless_it_is_told_to_go_on(spark, servers, send, ingest, topic):
    send(*[("k", {"id": n}) for n in range(5)])
    assert ingest()["rows"] == 5
    jvm = spark._jvm
    settings = jvm.java.util.Properties()
    settings.setProperty("bootstrap.servers", servers)
    admin = jvm.org.apache.kafka.clients.admin.AdminClient.create(settings)
    names = jvm.java.util.ArrayList()
    names.add(topic)
    admin.deleteTopics(names).all().get()
    deadline = time.monotonic() + 30
    while topic in admin.listTopics().names().get() and time.monotonic() < deadline:
        time.sleep(0.1)
    admin.close()
    send(("k", {"id": 10}))
    lost = ingest()
    assert (lost["exit"], lost["code"]) == (1, "KAFKA_DATA_LOSS")
    # Told to go on, Spark passes over what the topic made anew holds at that moment, and takes what comes after it.
    assert ingest("--fail-on-data-loss", "false")["exit"] == 0
    send(("k", {"id": 11}), ("k", {"id": 12}))
    assert ingest("--fail-on-data-loss", "false")["rowsAdded"] == 2


def test_refusals_name_the_cause_and_no_secret(ingest, monkeypatch, capfd):
    secret = '{"kafka.sasl.jaas.config": "hush-of-the-test"}'
    assert ingest("--options", secret)["code"] == "KAFKA_SECRET_IN_OPTIONS"
    assert ingest("--options", '{"failOnDataLoss": "false"}')["code"] == "INGEST_OPTION_RESERVED"
    assert ingest("--secret-options", '{"kafka.sasl.jaas.config": "NOT_THERE"}')["code"] == "KAFKA_NO_SECRET"
    assert ingest("--starting-offsets", "yesterday")["code"] == "KAFKA_BAD_START"
    assert ingest("--interval", "1 second")["code"] == "INGEST_NO_END"
    quick = '{"kafka.default.api.timeout.ms": "2000", "kafka.request.timeout.ms": "1000"}'
    gone = ingest("--servers", "127.0.0.1:1", "--options", quick)
    assert gone["code"] == "KAFKA_UNREACHABLE", gone
    assert "hush-of-the-test" not in "".join(capfd.readouterr())


def test_it_tells_how_far_it_is_drains_when_asked_and_ends_without_a_lease(world, send, ingest, topic):
    control, progress = world.root / "control", world.root / "progress.json"
    control.mkdir()
    (control / "lease.json").write_text('{"generation": 1, "beat": 0}')
    how = ("--interval", "1 second", "--control", world.uri("control"), "--progress", world.uri("progress.json"))
    send(*[(str(n), {"id": n}) for n in range(6)])
    results = {}

    def background(name: str, *extra: str) -> threading.Thread:
        thread = threading.Thread(target=lambda: results.update({name: ingest(*how, *extra)}))
        thread.start()
        return thread

    def report(good) -> dict:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if progress.exists() and progress.stat().st_size > 0:
                try:
                    told = json.loads(progress.read_text())
                except ValueError:
                    continue
                if good(told):
                    return told
            time.sleep(0.1)
        raise AssertionError(progress.read_text() if progress.exists() else "no progress")

    drained = background("drained", "--generation", "1", "--max-offsets", "4")
    told = report(lambda p: p["rows"] == 6 and p["behind"].get("offsets") == 0)
    assert (told["state"], told["generation"], told["run"]) == ("running", 1, "run-1")
    assert told["batches"] >= 2 and told["newest"]
    assert sum(told["sources"][0]["endOffset"][topic].values()) == 6
    (control / "drain-1").write_text("")
    drained.join(60)
    assert (results["drained"]["ended"], results["drained"]["rows"]) == ("drain", 6)
    assert report(lambda p: p["state"] == "ended")["reason"] == "drain"

    send(("6", {"id": 6}))
    alone = background("alone", "--generation", "2", "--lease-seconds", "5")
    report(lambda p: p["generation"] == 2 and p["rows"] == 1)
    alone.join(60)
    assert (results["alone"]["ended"], results["alone"]["rows"]) == ("lease", 7)

    (control / "lease.json").write_text('{"generation": 9}')
    assert ingest(*how, "--generation", "3")["ended"] == "replaced"
