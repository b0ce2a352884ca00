"""What a run would do with each slide and why, from headers and from what lies in OUT already."""

from __future__ import annotations

import json
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from histoquant.run.exits import EXIT_NONE_USABLE, EXIT_OK, EXIT_SOME_FAILED
from histoquant.run.inspect import inspected
from histoquant.run.intake import Intake, take_in
from histoquant.run.job import SlideJob
from histoquant.run.options import RunOptions
from histoquant.run.space import needed_bytes
from histoquant.store.layout import OutputFolder

_WORK = ("quantify", "resume", "again")
"""What takes time; the other slides are kept or refused."""


def dry_run(options: RunOptions) -> int:
    """Print what `run_slides` would do with each slide; reads no pixels and writes nothing.

    Parameters
    ----------
    options : RunOptions
        As for `run_slides`; with ``json_progress`` one JSON object per slide and line.

    Returns
    -------
    int
        Exit status: 0 where every slide is usable, 3 some are not, 4 none.

    Raises
    ------
    UsageError
        Where the run would raise it.
    """
    intake = take_in(options)
    out = OutputFolder(options.out.resolve())
    jobs = {job.slide_id: job for job in intake.jobs(out.root)}
    rows = [_told(row, jobs.get(row["slide_id"]), out) for row in inspected(intake, options.mpp)]
    if options.json_progress:
        for row in rows:
            print(json.dumps(row, ensure_ascii=False))
    else:
        _print(rows, intake, [jobs[row["slide_id"]] for row in rows if row["action"] in _WORK], out.root)
    usable = sum(row["action"] != "refuse" for row in rows)
    if not rows:
        print("histoquant: no slides found there.", file=sys.stderr)
    return EXIT_OK if rows and usable == len(rows) else EXIT_SOME_FAILED if usable else EXIT_NONE_USABLE


def _told(row: dict[str, Any], job: SlideJob | None, out: OutputFolder) -> dict[str, Any]:
    action, why = _action(row, job, out)
    return {name: row[name] for name in ("slide_id", "file", "marker", "mpp", "flags")} | {
        "action": action,
        "why": why,
    }


def _action(row: dict[str, Any], job: SlideJob | None, out: OutputFolder) -> tuple[str, str]:
    if row["status"] != "OK" or job is None:
        return "refuse", row["reason"]
    manifest = out.manifest(job.slide_id)
    if out.is_committed(job.slide_id, job.key):
        return "keep", "finished under these parameters, every file as it was written"
    if out.work(job.slide_id, job.work_key).is_dir():
        return "resume", "begun under these parameters"
    if manifest is None:
        return "quantify", "not there yet"
    if manifest.get("key") is None:
        return "again", "gave no numbers the last time"
    if manifest["key"] == job.key:
        return "again", f"changed on disk: {', '.join(out.changed_files(job.slide_id))}"
    return "again", "slide, parameters or version differ from what is there"


def _print(rows: list[dict[str, Any]], intake: Intake, work: list[SlideJob], out: Path) -> None:
    width = max((len(row["file"]) for row in rows), default=0)
    for row in rows:
        mpp = f"{row['mpp']:.4g} um/px" if row["mpp"] else "-"
        what = f"{row['action']:8}  {row['file']:{width}}  {row['marker'] or '-':6}  {mpp}"
        flags = f" [{', '.join(row['flags'])}]" if row["flags"] else ""
        print(f"{what}  {row['why']}{flags}")
    counts = Counter(row["action"] for row in rows)
    print(", ".join(f"{count} to {action}" for action, count in sorted(counts.items())) or "nothing to do")
    if work:
        parameters = intake.parameters
        locked = f"locked by {intake.calibration_name}" if intake.calibration else "read from each slide"
        print(f"at {parameters.working_mpp_um:g} um/px; stain vectors and thresholds {locked}")
        free = shutil.disk_usage(next(path for path in (out, *out.parents) if path.exists())).free
        needed = needed_bytes(work)
        print(f"about {needed / 1e9:.2f} GB of results, {free / 1e9:.2f} GB free at {out}")
