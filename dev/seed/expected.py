"""The data set's own figures, counted from its CSV files by nothing but Python's csv module.

Argument: the directory of the data files. Prints JSON. The demo's checks compare against these, so this shares no
code with what loads the data.
"""

import collections
import csv
import gc
import io
import json
import sys
import zipfile
from pathlib import Path


Columns = dict[str, tuple[str, ...]]


def read(directory: Path, table: str) -> Columns:
    """A table as columns of text."""
    if table == "flights":
        archive = zipfile.ZipFile(directory / "flights.csv.zip")
        stream = io.TextIOWrapper(archive.open("flights.csv"), encoding="utf-8", newline="")
    else:
        stream = open(directory / f"{table}.csv", encoding="utf-8", newline="")
    with stream:
        header, *rows = csv.reader(stream)
    return dict(zip(header, zip(*rows, strict=True), strict=True))


def figures(columns: Columns, summed: list[str]) -> dict:
    """Rows, NA per column that has any, and exact sums of the named integer columns without their NA."""
    missing = {name: values.count("NA") for name, values in columns.items()}
    return {
        "rows": len(next(iter(columns.values()))),
        "nulls": {name: count for name, count in missing.items() if count},
        "sums": {name: str(sum(int(value) for value in columns[name] if value != "NA")) for name in summed},
    }


def main(directory: Path) -> dict:
    flights, weather = read(directory, "flights"), read(directory, "weather")
    by_day = collections.Counter(hour[:10] for hour in weather["time_hour"])
    return {
        "flights": figures(flights, ["distance", "dep_delay", "arr_delay", "air_time", "flight"])
        | {
            "byCarrier": dict(sorted(collections.Counter(flights["carrier"]).items())),
            "firstHour": min(flights["time_hour"]),
            "lastHour": max(flights["time_hour"]),
        },
        "planes": figures(read(directory, "planes"), ["year", "seats", "engines", "speed"]),
        "airports": figures(read(directory, "airports"), ["alt", "tz"]),
        "airlines": figures(read(directory, "airlines"), []),
        "weather": figures(weather, ["wind_dir"]) | {"files": len(by_day), "byDay": dict(sorted(by_day.items()))},
    }


if __name__ == "__main__":
    # Nothing here makes cycles, and looking for them among millions of texts takes longer than the counting.
    gc.disable()
    print(json.dumps(main(Path(sys.argv[1])), indent=1))
