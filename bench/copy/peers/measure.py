"""Runs a command and prints one JSON line: exit code, seconds of wall time, CPU seconds and peak resident memory (MB)
of it and all its children. The command's own output goes to the file named first.

    measure.py LOG TIMEOUT_SECONDS COMMAND...
"""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

INTERVAL = 0.2


def tree(root: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            parent = int(Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(entry))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def resident_kb(pid: int) -> int:
    """Resident memory of its own: pages it shares with files (libraries) are counted too, as VmRSS does."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


def main() -> None:
    log, timeout, command = sys.argv[1], float(sys.argv[2]), sys.argv[3:]
    started = time.monotonic()
    with open(log, "wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
    peak = 0
    code = None
    while code is None:
        peak = max(peak, sum(resident_kb(pid) for pid in tree(process.pid)))
        try:
            code = process.wait(INTERVAL)
        except subprocess.TimeoutExpired:
            if time.monotonic() - started > timeout:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                code = -1
    wall = time.monotonic() - started
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    figures = {"code": code, "wall": wall, "cpu": used.ru_utime + used.ru_stime, "rssMb": peak / 1024}
    print(json.dumps(figures))


main()
