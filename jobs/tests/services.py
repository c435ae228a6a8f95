"""Servers that tests of streams read from: a real Kafka broker, and ministack's Kinesis. Each is ended by its process."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _cache() -> Path:
    given = os.environ.get("WAYBILL_CACHE")
    return Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "waybill")


def _kafka_jars() -> Path:
    given = os.environ.get("WAYBILL_KAFKA_JARS")
    if given:
        return Path(given)
    found = sorted(_cache().glob("kafka-*/kafka_*.jar"), key=lambda jar: jar.stat().st_mtime)
    assert found, "No Kafka: set WAYBILL_KAFKA_JARS, or run the tests by `npm run test:jobs` once."
    return found[-1].parent


@contextmanager
def _ended(process: "subprocess.Popen[str]") -> Iterator[None]:
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def kafka() -> Iterator[str]:
    """The address of a broker of its own; topics are made by being written to, with two partitions."""
    program = ROOT / "build/dev/kafka/main.js"
    assert program.exists(), "npm run build comes first"
    state = Path(tempfile.mkdtemp(prefix="waybill-kafka-"))
    command = ["node", program, "--state-dir", state, "--jars", _kafka_jars()]
    with (state / "stderr").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        with _ended(process):
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, (state / "stderr").read_text()
            yield f"127.0.0.1:{json.loads(line)['port']}"
    finally:
        shutil.rmtree(state, ignore_errors=True)


@contextmanager
def kinesis() -> Iterator[str]:
    """The endpoint of a ministack that has Kinesis."""
    port, state = free_port(), tempfile.mkdtemp(prefix="waybill-kinesis-")
    settings = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "IOT_MTLS_ENABLED": "0", "SERVICES": "kinesis"}
    process = subprocess.Popen(
        [sys.executable, "-m", "ministack"],
        env={**os.environ, **settings, "LOG_LEVEL": "WARNING"},
        cwd=state,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        with _ended(process):
            deadline = time.monotonic() + 60
            while True:
                assert process.poll() is None and time.monotonic() < deadline, "ministack did not start"
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}"
    finally:
        shutil.rmtree(state, ignore_errors=True)
