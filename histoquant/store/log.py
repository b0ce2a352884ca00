"""The run's log: one JSON object per line, each sealed by the digest of all before it, never rewritten."""

from __future__ import annotations

import hashlib
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from histoquant.store.atomic import shut_to_others

SEAL = "sha256_before"
"""Key of each line: SHA-256 of every byte of the log before that line."""


class RunLog:
    """Append events to ``log.jsonl``; timings and tracebacks live here, never in tables.

    Parameters
    ----------
    path : Path
        The log file; created when missing, kept and continued when present.
    """

    def __init__(self, path: Path) -> None:
        before = path.read_bytes() if path.exists() else b""
        self._file = path.open("ab")
        shut_to_others(self._file.fileno())
        self._digest = hashlib.sha256(before)
        if before and not before.endswith(b"\n"):
            # a run was cut off in the middle of a line: what there is of it stays, sealed with the rest
            self._append(b"\n")

    def write(self, event: str, **fields: Any) -> None:
        """Append one event with the UTC time and the seal."""
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "event": event,
            **fields,
            SEAL: self._digest.hexdigest(),
        }
        text = json.dumps(line, ensure_ascii=False, default=str)
        self._append(text.encode("utf-8", "backslashreplace") + b"\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _append(self, data: bytes) -> None:
        self._file.write(data)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._digest.update(data)


def first_broken_line(content: bytes) -> int | None:
    """Number of the first line before which the log was changed, or None.

    Parameters
    ----------
    content : bytes
        The whole log.

    Returns
    -------
    int or None
        1-based. A line that is no JSON has no seal: it can be the end of a run that was cut off, and the next
        line's seal covers it. What follows the last seal nothing here can prove.
    """
    digest = hashlib.sha256()
    for number, line in enumerate(content.splitlines(keepends=True), start=1):
        try:
            seal = json.loads(line).get(SEAL)
        except (ValueError, AttributeError):
            seal = None
        if seal is not None and seal != digest.hexdigest():
            return number
        digest.update(line)
    return None
