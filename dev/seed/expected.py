"""The data set's own figures, counted from its CSV files by nothing but Python's csv module.

Argument: the directory of the data files. Prints JSON. The demo's checks compare against these, so this shares no
code with what loads the data.
"""

import collections
import csv
import io
import json
import sys
import zipfile
from decimal import Decimal
from pathlib import Path


def rows(directory: Path, table: str) -> list[dict[str, str]]:
    if table == "flights":
        archive = zipfile.ZipFile(directory / "flights.csv.zip")
        stream = io.TextIOWrapper(archive.open("flights.csv"), encoding="utf-8", newline="")
    else:
        stream = open(directory / f"{table}.csv", encoding="utf-8", newline="")
    with stream:
        return list(csv.DictReader(stream))


def figures(table: list[dict[str, str]], summed: list[str]) -> dict:
    """Rows, NA per column that has any, and exact sums of the named columns without their NA."""
    missing = {column: sum(row[column] == "NA" for row in table) for column in table[0]}
    sums = {column: sum(Decimal(row[column]) for row in table if row[column] != "NA") for column in summed}
    return {
        "rows": len(table),
        "nulls": {column: count for column, count in missing.items() if count},
        "sums": {column: str(total) for column, total in sums.items()},
    }


def main(directory: Path) -> dict:
    flights, weather = rows(directory, "flights"), rows(directory, "weather")
    by_carrier = collections.Counter(row["carrier"] for row in flights)
    by_day = collections.Counter(row["time_hour"][:10] for row in weather)
    return {
        "flights": figures(flights, ["distance", "dep_delay", "arr_delay", "air_time", "flight"])
        | {
            "byCarrier": dict(sorted(by_carrier.items())),
            "firstHour": min(row["time_hour"] for row in flights),
            "lastHour": max(row["time_hour"] for row in flights),
        },
        "planes": figures(rows(directory, "planes"), ["year", "seats", "engines", "speed"]),
        "airports": figures(rows(directory, "airports"), ["alt", "tz"]),
        "airlines": figures(rows(directory, "airlines"), []),
        "weather": figures(weather, ["wind_dir"]) | {"files": len(by_day), "byDay": dict(sorted(by_day.items()))},
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1])), indent=1))
