"""The comparison of two sides finds every difference there is, names it, and finds none where there is none."""

import json
from decimal import Decimal

import pytest
from pyspark.sql import functions as F
from pyspark.sql.types import DateType, StringType, StructField, StructType, TimestampType

SCHEMA = "id BIGINT, name STRING, price DECIMAL(10,2), ratio DOUBLE, at TIMESTAMP, day DATE, tags MAP<STRING,INT>"


def rows(count=6):
    made = []
    for number in range(count):
        made.append(
            (
                number,
                None if number == 2 else f"name {number}",
                Decimal(number) / 4,
                float("nan") if number == 3 else -0.0 if number == 4 else number / 3,
                f"2026-11-{number + 1:02d} 10:00:00.{number:06d}",
                f"2026-11-{number + 1:02d}",
                {"b": 2, "a": number},
            )
        )
    return made


@pytest.fixture
def sides(spark, world):
    """Writes both sides and runs the comparison; returns the job's result with the whole report."""
    from waybill_jobs.cli import main

    def frame(values, schema=SCHEMA):
        fields = StructType.fromDDL(schema).fields
        moments = (DateType, TimestampType)
        texts = [StructField(one.name, StringType()) if isinstance(one.dataType, moments) else one for one in fields]
        made = spark.createDataFrame(values, StructType(texts))
        return made.select(*(F.col(one.name).cast(one.dataType).alias(one.name) for one in fields))

    def compare(left, right, **more):
        format_of = more.pop("source_format", "parquet")
        left.write.format(format_of).mode("overwrite").option("overwriteSchema", "true").save(world.uri("left"))
        right.write.format("delta").mode("overwrite").option("overwriteSchema", "true").save(world.uri("right"))
        table = {
            "name": "orders",
            "source": world.uri("left"),
            "source_format": format_of,
            "target": world.uri("right"),
            "keys": ["id"],
            **more,
        }
        (world.root / "spec.json").write_text(json.dumps({"tables": [table]}))
        files = {name: world.uri(name) for name in ("spec.json", "result.json", "report.json")}
        arguments = ["parity", "--run", "m", "--spec", files["spec.json"], "--report", files["report.json"]]
        code = main([*arguments, "--result", files["result.json"]])
        result = json.loads((world.root / "result.json").read_text())
        if code:
            return result
        whole = json.loads((world.root / "report.json").read_text())["tables"][0]
        return {**result["datasets"][0], "whole": whole}

    compare.frame = frame
    return compare


def test_the_same_rows_are_equal_whatever_their_order_and_that_of_the_columns(sides):
    left = sides.frame(rows())
    right = sides.frame([*reversed(rows())]).select("tags", "day", "name", "id", "at", "ratio", "price").repartition(3)
    found = sides(left, right)
    assert (found["equal"], found["reasons"], found["unequalColumns"]) == (True, [], [])
    assert found["rows"] == {"emr": 6, "databricks": 6}
    assert found["whole"]["schema"]["sameOrder"] is False
    ratio = next(one for one in found["whole"]["columns"] if one["column"] == "ratio")
    assert ratio["max"] == {"emr": "NaN", "databricks": "NaN"} and ratio["checksum"]["emr"] == ratio["checksum"]["databricks"]
    name = next(one for one in found["whole"]["columns"] if one["column"] == "name")
    assert name["nulls"] == {"emr": 1, "databricks": 1} and name["distinct"]["emr"] == 5


def test_negative_zero_and_another_nan_are_no_difference(sides):
    left = sides.frame([(1, "a", Decimal(1), 0.0, "2026-11-01", "2026-11-01", {"a": 1, "b": 2})])
    right = sides.frame([(1, "a", Decimal(1), -0.0, "2026-11-01", "2026-11-01", {"b": 2, "a": 1})])
    assert sides(left, right)["equal"] is True


def test_one_row_more_and_one_row_less_are_named(sides):
    found = sides(sides.frame(rows()), sides.frame(rows(7)))
    assert found["equal"] is False and (found["missing"], found["extra"], found["differing"]) == (0, 1, 0)
    assert found["reasons"] == ["1 rows on databricks alone"] and found["named"]["extra"] == ["id=6"]
    found = sides(sides.frame(rows(7)), sides.frame(rows()))
    assert found["reasons"] == ["1 rows missing on databricks"] and found["named"]["missing"] == ["id=6"]
    assert sides(sides.frame(rows(7)), sides.frame(rows()), allowed={"missing": 1})["equal"] is True


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("name", "name 1 "),
        ("name", None),
        ("price", Decimal("0.26")),
        ("ratio", 0.33333333333333337),
        ("at", "2026-11-02 10:00:00.000002"),
        ("day", "2026-11-03"),
        ("tags", {"b": 2}),
    ],
)
def test_one_value_that_is_another_is_named_with_its_key_and_column(sides, column, value):
    names = ["id", "name", "price", "ratio", "at", "day", "tags"]
    changed = [list(row) for row in rows()]
    changed[1][names.index(column)] = value
    found = sides(sides.frame(rows()), sides.frame([tuple(row) for row in changed]))
    assert (found["missing"], found["extra"], found["differing"]) == (0, 0, 1)
    assert found["reasons"] == [f"1 rows differ in {column}"]
    assert found["named"]["differing"] == [{"key": "id=1", "columns": [column]}]
    assert found["unequalColumns"] == [column]
    [shown] = found["whole"]["sample"]["differing"]
    assert shown["values"][column]["emr"] != shown["values"][column]["databricks"]


def test_values_do_not_leave_the_report(sides):
    changed = rows()
    changed[1] = (*changed[1][:1], "a secret name", *changed[1][2:])
    found = sides(sides.frame(rows()), sides.frame(changed))
    whole = found.pop("whole")
    assert "a secret name" in json.dumps(whole) and "a secret name" not in json.dumps(found)


def test_a_type_that_changed_is_told_and_its_values_are_compared(sides):
    wider = SCHEMA.replace("price DECIMAL(10,2)", "price DOUBLE")
    left = sides.frame(rows())
    right = sides.frame([(*row[:2], float(row[2]), *row[3:]) for row in rows()], wider)
    found = sides(left, right)
    assert found["reasons"] == ["price is decimal(10,2) on emr and double on databricks"]
    assert (found["differing"], found["unequalColumns"]) == (0, [])
    assert sides(left, right, any_type=True)["equal"] is True


def test_columns_that_one_side_lacks(sides):
    found = sides(sides.frame(rows()).withColumn("more", F.lit(1)), sides.frame(rows()).withColumn("other", F.lit(1)))
    assert found["reasons"] == ["columns missing on databricks: more", "columns on databricks alone: other"]
    ignored = {"ignore": ["More", "other"]}
    left, right = sides.frame(rows()).withColumn("more", F.lit(1)), sides.frame(rows()).withColumn("other", F.lit(1))
    assert sides(left, right, **ignored)["equal"] is True


def test_keys_that_occur_twice_or_are_null(sides):
    twice = [*rows(), rows()[1], (None, *rows()[0][1:])]
    found = sides(sides.frame(twice), sides.frame(twice))
    assert (found["equal"], found["repeatedKeys"], found["nullKeys"]) == (True, {"emr": 1, "databricks": 1}, 1)
    found = sides(sides.frame(twice), sides.frame(twice[:-2] + twice[-1:]))
    assert found["reasons"] == ["1 rows differ in (number of rows), at, day, name, price"]
    # As many rows of a key, one of them another.
    other = [*twice[:-2], (1, "another", *rows()[1][2:]), twice[-1]]
    found = sides(sides.frame(twice), sides.frame(other))
    assert found["reasons"] == ["1 rows differ in name"]


def test_numbers_within_a_tolerance(sides):
    changed = [(*row[:3], row[3] + 1e-7 if number == 1 else row[3], *row[4:]) for number, row in enumerate(rows())]
    left, right = sides.frame(rows()), sides.frame(changed)
    assert sides(left, right)["differing"] == 1
    assert sides(left, right, columns={"ratio": {"absolute": 1e-6}})["equal"] is True
    assert sides(left, right, columns={"ratio": {"relative": 1e-6}})["equal"] is True
    found = sides(left, right, columns={"ratio": {"absolute": 1e-8}})
    assert found["named"]["differing"] == [{"key": "id=1", "columns": ["ratio"]}]
    emptied = sides.frame([(*row[:3], None if number == 1 else row[3], *row[4:]) for number, row in enumerate(rows())])
    assert sides(left, emptied, columns={"ratio": {"absolute": 1e9}})["differing"] == 1


def test_the_rows_of_a_window_alone(sides):
    left = sides.frame(rows()).withColumn("run", F.when(F.col("id") < 4, "a").otherwise("b"))
    right = left.where("id != 5")
    assert sides(left, right, window_column="run", window="a")["equal"] is True
    found = sides(left, right, window_column="run", window="b")
    assert (found["rows"], found["missing"]) == ({"emr": 2, "databricks": 1}, 1)


def test_what_cannot_be_compared_is_refused_or_told(sides, world):
    refused = sides(sides.frame(rows()), sides.frame(rows()), keys=["nothing"])
    assert refused["code"] == "PARITY_KEYS"
    refused = sides(sides.frame(rows()), sides.frame(rows()), columns={"name": {"absolute": 1}})
    assert refused["code"] == "PARITY_COLUMNS"
    found = sides(sides.frame(rows()), sides.frame(rows()), target=world.uri("nowhere"))
    assert (found["equal"], found["reasons"]) == (False, ["there is no table on databricks"])


def test_more_digits_than_a_decimal_has_and_moments_without_a_zone(sides, spark):
    left = spark.sql("SELECT 1L AS id, CAST('1.10' AS DECIMAL(38,2)) AS d, TIMESTAMP'2026-01-01 10:00:00' AS at")
    right = spark.sql("SELECT 1L AS id, CAST('1.1' AS DECIMAL(38,30)) AS d, TIMESTAMP_NTZ'2026-01-01 10:00:00' AS at")
    found = sides(left, right, any_type=True, source_format="delta")
    assert found["whole"]["schema"]["types"][1]["databricks"] == "timestamp_ntz"
    assert found["equal"] is True
