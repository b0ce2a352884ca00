"""Where the study file of a run lies: noted in its log, found again by commands on what it left."""

from __future__ import annotations

import json
import os
from pathlib import Path

from histoquant.store.verify import LOG
from histoquant.study.study_file import Study


def study_for_log(study: Study | None, root: Path) -> str | None:
    """Return where a run's study file lies, from its output folder; None where there is none to say."""
    if study is None:
        return None
    try:
        return Path(os.path.relpath(study.path, root.resolve())).as_posix()
    except ValueError:  # another drive
        return None


def study_used(out: Path) -> Path | None:
    """Find the study file of the last run in the log, relative to the output folder."""
    try:
        lines = (out / LOG).read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    for line in reversed(lines):
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and event.get("event") == "run_started":
            named = event.get("study")
            path = out / named if isinstance(named, str) else None
            return path.resolve() if path is not None and path.is_file() else None
    return None
