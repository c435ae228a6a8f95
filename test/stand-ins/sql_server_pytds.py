"""Drives the SQL Server stand-in with python-tds: a client that nobody here wrote.

Arguments: port, certificate file; the password is in SQL_SERVER_TEST_PASSWORD.
"""

from __future__ import annotations

import datetime
import os
import sys
import uuid
from decimal import Decimal

import pytds

port, certificate = int(sys.argv[1]), sys.argv[2]
password = os.environ["SQL_SERVER_TEST_PASSWORD"]
checks = 0


def check(actual: object, expected: object) -> None:
    global checks
    assert actual == expected, f"{actual!r} is not {expected!r}"
    checks += 1


def connect(secret: str = password, database: str = "master", cafile: str | None = None) -> pytds.Connection:
    return pytds.connect(
        dsn="localhost", port=port, user="sa", password=secret, database=database, autocommit=True,
        cafile=cafile, validate_host=False, timeout=30, login_timeout=30,
    )


try:
    connect("wrong")
except pytds.OperationalError as error:
    check("Login failed for user 'sa'" in str(error), True)
else:
    raise AssertionError("a wrong password was let in")

with connect() as master, master.cursor() as cursor:
    cursor.execute("IF DB_ID('pytds') IS NULL CREATE DATABASE pytds")

with connect(database="pytds") as connection, connection.cursor() as cursor:
    cursor.execute(
        "CREATE TABLE dbo.things (id int NOT NULL PRIMARY KEY, Name nvarchar(50) NULL, d decimal(38,10) NULL, m money NULL,"
        " at datetime2(7) NULL, dt datetime NULL, day date NULL, g uniqueidentifier NULL, b varbinary(10) NULL,"
        " ok bit NULL, big bigint NULL, f float NULL, v varchar(20) NULL)"
    )
    at = datetime.datetime(2026, 11, 22, 10, 11, 12, 123456)
    guid = uuid.UUID("6f9619ff-8b86-d011-b42d-00c04fc964ff")
    row = (1, "漢字 😀", Decimal("1234567890.0123456789"), Decimal("12.3400"), at, at.replace(microsecond=347000), at.date(),
           guid, pytds.Binary(b"\x01\xff"), True, 9007199254740993, 0.5, "plain")
    places = ", ".join(["%s"] * len(row))
    cursor.execute(f"INSERT INTO dbo.things VALUES ({places})", row)
    cursor.execute("SELECT * FROM dbo.things WHERE id = %s", (1,))
    check([column[0] for column in cursor.description][:3], ["id", "Name", "d"])
    got = cursor.fetchone()
    check(got, row)
    check(cursor.fetchone(), None)
    cursor.execute("SELECT SUM(d) AS s, COUNT_BIG(*) AS n, CONVERT(varchar(20), SUM(m)) AS m FROM dbo.things")
    check(cursor.fetchone(), (Decimal("1234567890.0123456789"), 1, "12.34"))
    try:
        cursor.execute("INSERT INTO dbo.things (id) VALUES (1)")
    except pytds.IntegrityError as error:
        check(error.number, 2627)
    else:
        raise AssertionError("a duplicate key was stored")
    cursor.execute("SELECT 1 AS a; SELECT 2 AS b")
    check(cursor.fetchall(), [(1,)])
    cursor.nextset()
    check(cursor.fetchall(), [(2,)])

    # python-tds has a bulk load of its own.
    columns = [
        pytds.Column(name="id", type=pytds.tds_types.IntType(), flags=0),
        pytds.Column(name="Name", type=pytds.tds_types.NVarCharType(50)),
    ]
    cursor.copy_to(table_or_view="things", schema="dbo", columns=columns, data=[(i, f"row {i}") for i in range(10, 1010)])
    cursor.execute("SELECT COUNT(*), MIN(Name), MAX(id) FROM dbo.things WHERE id >= 10")
    check(cursor.fetchone(), (1000, "row 10", 1009))

with pytds.connect(dsn="localhost", port=port, user="sa", password=password, database="pytds", autocommit=False) as connection:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM dbo.things")
    connection.rollback()
    with connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM dbo.things")
        check(cursor.fetchone(), (1001,))

print(f"{checks} checks")
