"""Lands files as the ingest stage does: gzip CSV parts by RFC 4180, JSON lines by day."""

import gzip
import json
from pathlib import Path
from typing import Any

from waybill_jobs.schemas import TABLES

Row = dict[str, Any]


def field(value: Any) -> str:
    """NULL is nothing, an empty string is quoted, quotes are doubled."""
    if value is None:
        return ""
    text = str(value)
    if text == "" or any(mark in text for mark in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


class World:
    def __init__(self, root: Path) -> None:
        self.root = root

    def uri(self, path: str) -> str:
        return f"file://{self.root}/{path}"

    def files(self, path: str) -> list[str]:
        return sorted(p.name for p in (self.root / path).iterdir() if not p.name.startswith("."))

    def land(self, table: str, rows: list[Row], run: str = "run-1", part: int = 0) -> None:
        names = TABLES[table].names
        lines = [",".join(names), *[",".join(field(row.get(name)) for name in names) for row in rows]]
        self.land_text(table, "\n".join(lines) + "\n", run, part)

    def land_text(self, table: str, text: str, run: str = "run-1", part: int = 0) -> None:
        folder = self.root / "landing" / table / run
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"part-{part:05d}.csv.gz").write_bytes(gzip.compress(text.encode()))

    def land_weather(self, day: str, rows: list[Row | str]) -> None:
        folder = self.root / "landing/weather"
        folder.mkdir(parents=True, exist_ok=True)
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        (folder / f"{day}.json").write_text("\n".join(lines) + "\n")


def flight(number: int, **changes: Any) -> Row:
    return {
        "flight_id": number,
        "year": 2013,
        "month": 1,
        "day": 1,
        "dep_time": 517,
        "sched_dep_time": 515,
        "dep_delay": 2,
        "arr_time": 830,
        "sched_arr_time": 819,
        "arr_delay": 11,
        "carrier": "UA",
        "flight": 1545,
        "tailnum": "N14228",
        "origin": "EWR",
        "dest": "IAH",
        "air_time": 227,
        "distance": 1400,
        "hour": 5,
        "minute": 15,
        "time_hour": "2013-01-01 10:00:00.000000",
        **changes,
    }


def cancelled(number: int, **changes: Any) -> Row:
    never = dict.fromkeys(("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"))
    return flight(number, **{**never, **changes})


def plane(tailnum: str | None, **changes: Any) -> Row:
    return {
        "tailnum": tailnum,
        "year": 1999,
        "type": "Fixed wing multi engine",
        "manufacturer": "BOEING",
        "model": "737-824",
        "engines": 2,
        "seats": 149,
        "speed": None,
        "engine": "Turbo-fan",
        **changes,
    }


def reading(hour: int, **changes: Any) -> Row:
    return {
        "origin": "EWR",
        "year": 2013,
        "month": 1,
        "day": 1,
        "hour": hour,
        "temp": 39.02,
        "dewp": 26.06,
        "humid": 59.37,
        "wind_dir": 270.0,
        "wind_speed": 10.35702,
        "wind_gust": None,
        "precip": 0.0,
        "pressure": 1012.0,
        "visib": 10.0,
        "time_hour": f"2013-01-01T{hour + 5:02d}:00:00Z",
        **changes,
    }


def airport(faa: str, name: str) -> Row:
    return {"faa": faa, "name": name, "lat": 40.6925, "lon": -74.168667, "alt": 18, "tz": -5, "dst": "A"}
