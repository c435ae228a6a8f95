"""Drives the Snowflake stand-in with snowflake-connector-python: a client that nobody here wrote.

Arguments: port, user, private key file, working directory; the password is in SNOWFLAKE_TEST_PASSWORD.
"""

from __future__ import annotations

import datetime
import os
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import snowflake.connector
from snowflake.connector.errors import Error, ProgrammingError

port, user, key_file, directory = int(sys.argv[1]), sys.argv[2], sys.argv[3], Path(sys.argv[4])
checks = 0


def equal(actual: Any, expected: Any) -> None:
    global checks
    checks += 1
    assert actual == expected, f"got {actual!r}, want {expected!r}"


def connect(**options: Any) -> snowflake.connector.SnowflakeConnection:
    common = {
        "account": "waybill",
        "user": user,
        "host": "127.0.0.1",
        "port": port,
        "protocol": "http",
        "database": "DB1",
        "schema": "PUBLIC",
        "paramstyle": "qmark",
        "login_timeout": 20,
        "session_parameters": {"QUERY_TAG": "python"},
    }
    return snowflake.connector.connect(**{**common, **options})


by_key = connect(authenticator="SNOWFLAKE_JWT", private_key_file=key_file)
equal(by_key.cursor().execute("SELECT CURRENT_USER()").fetchone(), (user.upper(),))
by_key.close()
try:
    connect(password="wrong")
    raise AssertionError("a wrong password was accepted")
except Error as error:
    equal(error.errno, 390100)
    assert "Incorrect username or password" in str(error), error

connection = connect(password=os.environ["SNOWFLAKE_TEST_PASSWORD"])
cursor = connection.cursor()
cursor.execute("CREATE OR REPLACE TABLE py (id NUMBER(38,0), n NUMBER(12,2), f FLOAT, s VARCHAR, b BOOLEAN, d DATE, t TIMESTAMP_NTZ, x BINARY)")
when = datetime.datetime(2024, 2, 29, 1, 2, 3, 123456)
cursor.execute("INSERT INTO py VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (12345678901234567890, "1.50", 2.5, "é'\"", True, when.date(), when, b"\xde\xad"))
equal(cursor.rowcount, 1)
cursor.execute("INSERT INTO py (id, s) VALUES (?, ?)", (2, None))
row = cursor.execute("SELECT * FROM py ORDER BY id DESC").fetchone()
equal(row, (12345678901234567890, Decimal("1.50"), 2.5, "é'\"", True, when.date(), when, bytearray(b"\xde\xad")))
equal(cursor.execute("SELECT id, s FROM py WHERE id = ?", (2,)).fetchall(), [(2, None)])
cursor.executemany("INSERT INTO py (id, s) VALUES (?, ?)", [(i, f"many {i}") for i in range(100, 400)])
equal(cursor.execute("SELECT COUNT(*) FROM py WHERE s LIKE 'many%'").fetchone(), (300,))

large = cursor.execute("SELECT SEQ4() AS i, 'r' || SEQ4() AS s FROM TABLE(GENERATOR(ROWCOUNT => 120000)) ORDER BY 1")
count = 0
for number, text in large:
    assert (number, text) == (count, f"r{count}"), (number, text, count)
    count += 1
equal(count, 120_000)

upload = directory / "python.csv"
upload.write_text("id,s\n" + "".join(f'{i},"text, {i}"\n' for i in range(1000)))
cursor.execute("CREATE OR REPLACE STAGE py_stage")
put = cursor.execute(f"PUT file://{upload} @py_stage/in/").fetchall()
equal([(line[1], line[6]) for line in put], [("python.csv.gz", "UPLOADED")])
cursor.execute("CREATE OR REPLACE TABLE py_copy (id INT, s VARCHAR)")
copied = cursor.execute("COPY INTO py_copy FROM @py_stage/in/ FILE_FORMAT = (TYPE = CSV SKIP_HEADER = 1 FIELD_OPTIONALLY_ENCLOSED_BY = '\"')").fetchall()
equal([line[:4] for line in copied], [("py_stage/in/python.csv.gz", "LOADED", 1000, 1000)])
equal(cursor.execute("SELECT COUNT(*), MAX(s) FROM py_copy").fetchone(), (1000, "text, 999"))
cursor.execute("COPY INTO @py_stage/out/ FROM py_copy FILE_FORMAT = (TYPE = PARQUET) HEADER = TRUE")
download = directory / "python-out"
download.mkdir()
got = cursor.execute(f"GET @py_stage/out/ file://{download}/").fetchall()
equal([line[2] for line in got], ["DOWNLOADED"])
import pyarrow.parquet  # noqa: E402

table = pyarrow.parquet.read_table(next(download.iterdir()))
equal((table.num_rows, table.column_names), (1000, ["ID", "S"]))

connection.autocommit(False)
cursor.execute("DELETE FROM py_copy")
connection.rollback()
equal(cursor.execute("SELECT COUNT(*) FROM py_copy").fetchone(), (1000,))
cursor.execute("DELETE FROM py_copy WHERE id < 10")
connection.commit()
equal(cursor.execute("SELECT COUNT(*) FROM py_copy").fetchone(), (990,))

cursor.execute_async("SELECT 5")
query_id = cursor.sfqid
while connection.is_still_running(connection.get_query_status_throw_if_error(query_id)):
    time.sleep(0.05)
equal(connection.get_query_status(query_id).name, "SUCCESS")
try:
    cursor.execute("SELECT * FROM no_such_table")
    raise AssertionError("a missing table was found")
except ProgrammingError as error:
    equal((error.errno, error.sqlstate), (2003, "42S02"))
connection.close()
print(f"ok {checks} checks")
