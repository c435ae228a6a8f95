"""A real PostgreSQL, read by ranges."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

PASSWORD = "s3cret-of-the-test"


def _programs() -> Path | None:
    """WAYBILL_POSTGRES (a directory with initdb and postgres), else what the local world has set up."""
    given = os.environ.get("WAYBILL_POSTGRES")
    if given:
        return Path(given)
    cache = os.environ.get("WAYBILL_CACHE") or Path(
        os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "waybill"
    )
    roots = [Path(cache), *Path("/var/tmp").glob("waybill-*")]
    found = [initdb.parent for root in roots for initdb in root.glob("postgres-*/native/bin/initdb")]
    return found[0] if found else None


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A server of its own on a free loopback port, with 1000 rows; ended by its process."""
    programs = _programs()
    if programs is None:
        pytest.skip("No PostgreSQL: run `waybill dev up` once, or set WAYBILL_POSTGRES.")
    root = Path(tempfile.mkdtemp(prefix="waybill-jdbc-", dir="/tmp"))
    account = {} if os.getuid() else {"user": pwd.getpwnam("nobody").pw_uid, "group": pwd.getpwnam("nobody").pw_gid}
    if account:
        os.chown(root, account["user"], account["group"])
    secret = root / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o644)
    how = ["-U", "reader", "-A", "scram-sha-256", f"--pwfile={secret}", "-E", "UTF8", "--locale=C", "--no-sync"]
    subprocess.run(
        [programs / "initdb", "-D", root / "data", *how], check=True, capture_output=True, cwd=root, **account
    )
    (root / "data/pg_hba.conf").write_text("local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = ["-D", root / "data", "-p", str(port), "-c", "listen_addresses=127.0.0.1", "-k", str(root), "-F"]
    with (root / "log").open("w") as log:
        server = subprocess.Popen([programs / "postgres", *arguments], cwd=root, stdout=log, stderr=log, **account)
    try:
        _wait(port, server, root)
        yield f"jdbc:postgresql://127.0.0.1:{port}/postgres"
    finally:
        server.terminate()
        server.wait(30)
        shutil.rmtree(root, ignore_errors=True)


def _wait(port: int, server: "subprocess.Popen[bytes]", root: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert server.poll() is None, (root / "log").read_text()
        if "ready to accept connections" in (root / "log").read_text():
            return
        time.sleep(0.05)
    raise AssertionError(f"PostgreSQL on {port} did not start: {(root / 'log').read_text()}")


@pytest.fixture
def ingest(spark, postgres, job, monkeypatch):
    monkeypatch.setenv("WAYBILL_TEST_PASSWORD", PASSWORD)
    jvm = spark._jvm
    properties = jvm.java.util.Properties()
    properties.setProperty("user", "reader")
    properties.setProperty("password", PASSWORD)
    connection = jvm.org.postgresql.Driver().connect(postgres, properties)
    connection.createStatement().execute(
        'drop table if exists "Orders"; create table "Orders" as select n as id, n % 7 as "Kind", '
        "n::numeric(12,2) / 4 as amount, date '2013-01-01' + n % 365 as day, "
        "case when n % 10 = 0 then null else 'row ' || n end as note from generate_series(1, 1000) n"
    )
    connection.close()

    def run(*extra: str, run: str = "run-1"):
        where = ("--url", postgres, "--dbtable", '"Orders"', "--table", "bronze/orders", "--user", "reader")
        return job("ingest_jdbc", *where, "--password-env", "WAYBILL_TEST_PASSWORD", *extra, run=run)

    return run


@pytest.mark.parametrize("column", ["id", "day", "Kind"])
def test_every_row_comes_once_by_ranges_and_a_repeat_adds_none(ingest, table, column):
    ranges = ("--partition-column", column, "--num-partitions", "4", "--fetch-size", "50")
    [first] = ingest(*ranges)["tables"]
    assert (first["rows"], first["rowsOfRun"], first["partitions"]) == (1000, 1000, 4)
    [again] = ingest(*ranges)["tables"]
    assert (again["rows"], again["written"]) == (1000, False)
    sums = table("bronze/orders").selectExpr("sum(id)", "count(distinct id)", "sum(amount)", "count(note)").head()
    assert [str(value) for value in sums] == ["500500", "1000", "125125.00", "900"] or float(sums[2]) == 125125


def test_narrow_bounds_leave_no_row_out_and_overwrite_replaces(ingest):
    bounds = ("--partition-column", "id", "--lower", "400", "--upper", "500", "--num-partitions", "3")
    assert ingest(*bounds)["tables"][0]["rows"] == 1000
    [second] = ingest(*bounds, "--mode", "overwrite", run="run-2")["tables"]
    assert (second["rows"], second["written"]) == (1000, True)


def test_refusals_name_the_cause_and_no_secret(ingest, monkeypatch, capfd):
    bad = ingest("--partition-column", "note")
    assert bad["code"] == "JDBC_BAD_PARTITION_COLUMN" and "amount" in bad["next"]
    assert ingest("--url", f"jdbc:postgresql://127.0.0.1/x?password={PASSWORD}")["code"] == "JDBC_SECRET_IN_URL"
    assert ingest("--password-env", "NOT_THERE")["code"] == "JDBC_NO_PASSWORD"
    monkeypatch.setenv("WAYBILL_TEST_PASSWORD", "wrong-of-the-test")
    wrong = ingest()
    assert wrong["exit"] == 1
    said = str(wrong) + "".join(capfd.readouterr())
    assert PASSWORD not in said and "wrong-of-the-test" not in said
