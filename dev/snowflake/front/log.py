"""One JSON line per event on stderr; stdout carries only the ready line."""

from __future__ import annotations

import json
import sys
import threading
import time

_lock = threading.Lock()


def log(event: str, **fields: object) -> None:
    line = json.dumps({"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "event": event, **fields}, default=str)
    with _lock:
        print(line, file=sys.stderr, flush=True)
