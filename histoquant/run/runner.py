"""A whole run: find slides, quantify each, write the tables and the report."""

from __future__ import annotations

import contextlib
import os
import sys
import time
import traceback
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from histoquant._version import __version__
from histoquant.errors import StoreError
from histoquant.run.cohort import with_cohort_flags
from histoquant.run.crate import write_crate
from histoquant.run.finished import study_for_log
from histoquant.run.intake import Intake, take_in
from histoquant.run.interrupts import Interrupts
from histoquant.run.job import SlideJob
from histoquant.run.options import RunOptions
from histoquant.run.progress import Counters, Reporter, open_reporter
from histoquant.run.protocol import digest_of, protocol_of
from histoquant.run.rows import without_folders
from histoquant.run.schedule import Listener, Schedule
from histoquant.run.shards import Shard, drop_order, read_order, write_order
from histoquant.run.space import shortage
from histoquant.run.summary import write_summary
from histoquant.run.tasks import BatchReceipt, CommitReceipt, PlanReceipt
from histoquant.store.atomic import make_folder
from histoquant.store.layout import OutputFolder
from histoquant.store.lock import OutputLock
from histoquant.store.log import RunLog
from histoquant.store.verify import write_seals
from histoquant.tiling.executors import open_executor

EXIT_OK, EXIT_SOME_FAILED, EXIT_NONE_USABLE, EXIT_INTERRUPTED = 0, 3, 4, 130


def run_slides(options: RunOptions) -> int:
    """Quantify slides into ``options.out``; running it again resumes.

    Parameters
    ----------
    options : RunOptions
        The command line.

    Returns
    -------
    int
        Exit status: 0 all slides fine or flagged, 3 some failed or were refused, 4 none usable,
        130 interrupted and resumable.

    Raises
    ------
    UsageError
        If options, study file or output folder make a run impossible; nothing was started.
    OutputLockedError
        If another run holds the output folder.
    """
    intake = take_in(options)
    if not intake.slide_ids:
        return _nothing_there(options)
    _warn_if_not_frozen(intake)
    out = _make_out(options.out)
    with OutputLock(out.root):
        out.sweep()
        log = RunLog(out.root / "log.jsonl")
        try:
            return _Run(options, intake, out, log).go()
        finally:
            log.close()


def prepare_slides(options: RunOptions) -> int:
    """Check everything and leave the order of work in ``options.out`` for `work_shard`; reads no pixels.

    Parameters
    ----------
    options : RunOptions

    Returns
    -------
    int
        Exit status: 0, or 4 where there is no slide.
    """
    intake = take_in(options)
    if not intake.slide_ids:
        return _nothing_there(options)
    _make_out(options.out)
    write_order(options, len(intake.slide_ids))
    return EXIT_OK


def work_shard(out: Path, shard: Shard, workers: int, json_progress: bool) -> int:
    """Quantify one shard's slides of a prepared run; tables and report are left to `run_slides`.

    Parameters
    ----------
    out : Path
        Output folder that a run was prepared in.
    shard : Shard
        Which slides.
    workers : int
        Worker processes on this machine; 0 works in this process and opens no port.
    json_progress : bool
        Progress as JSON lines.

    Returns
    -------
    int
        Exit status as of `run_slides`, over this shard's slides.

    Raises
    ------
    StoreError
        If no run was prepared in the folder.
    OutputLockedError
        If a whole run, or the same shard, is at work there.
    """
    options = replace(read_order(out), workers=workers, scheduler=None, json_progress=json_progress)
    intake = take_in(options)
    folder = _make_out(out)
    with OutputLock(folder.root, shard.name):
        log = RunLog(folder.root / f"log-{shard.name}.jsonl")
        try:
            return _Run(options, intake, folder, log, shard).go()
        finally:
            log.close()


def _nothing_there(options: RunOptions) -> int:
    named = ", ".join(str(path) for path in options.slides)
    print(
        f"histoquant: no slides in {named}. Looked in all subfolders for whole-slide files (SVS, TIFF, "
        "OME-TIFF, NDPI, MRXS, SCN, BIF, DICOM, ...), PNG and JPEG; name a file to try it anyway.",
        file=sys.stderr,
    )
    return EXIT_NONE_USABLE


def _warn_if_not_frozen(intake: Intake) -> None:
    """Say before hours of work that `histoquant unblind` will refuse their result."""
    section = intake.blinding
    if section is not None and digest_of(protocol_of(intake)) != section.protocol_sha256:
        print(
            "histoquant: warning: these are not the parameters frozen at blinding; the run goes on, but "
            "`histoquant unblind` will not join it to the key.",
            file=sys.stderr,
        )


def _make_out(root: Path) -> OutputFolder:
    try:
        make_folder(root / "slides")
    except StoreError as error:
        reason = getattr(error.__cause__, "strerror", "")
        raise StoreError(f"{root}: cannot be written ({reason}). Choose another folder with -o.") from error
    if not os.access(root, os.W_OK):
        raise StoreError(f"{root}: cannot be written (no permission). Choose another folder with -o.")
    return OutputFolder(root.resolve())


class _Run:
    """The state of one run: rows so far, counters, log."""

    def __init__(
        self, options: RunOptions, intake: Intake, out: OutputFolder, log: RunLog, shard: Shard | None = None
    ) -> None:
        self._options, self._intake, self._out, self._log = options, intake, out, log
        self._rows: dict[str, dict[str, Any]] = {}
        self._shard = shard
        self._jobs, self._refused = intake.jobs(out.root), dict(intake.refused)
        if shard is not None:
            self._jobs = [job for place, job in enumerate(self._jobs) if shard.takes(place)]
            refused = enumerate(sorted(intake.refused.items()))
            self._refused = {slide_id: row for place, (slide_id, row) in refused if shard.takes(place)}
        total = len(self._jobs) + len(self._refused)
        self._counters = Counters(slides_total=total, started_s=time.monotonic())
        self._reporter: Reporter = Reporter()
        self._interrupts = Interrupts()

    def go(self) -> int:
        self._log.write(
            "run_started",
            version=__version__,
            slides=self._counters.slides_total,
            study=study_for_log(self._intake.study, self._out.root),
        )
        try:
            with self._interrupts, open_reporter(self._options.json_progress) as self._reporter:
                for slide_id, row in self._refused.items():
                    self._log.write("slide_refused", slide_id=slide_id)
                    self._settle_unusable(slide_id, row)
                to_do = [job for job in self._jobs if not self._already_done(job)]
                self._say_if_short_of_room(to_do)
                self._quantify(to_do)
        except KeyboardInterrupt:
            self._log.write("run_interrupted", slides_done=self._counters.slides_done)
            print(
                f"histoquant: interrupted after {self._counters.slides_done} slides; what is done is kept. "
                "Run the same command again to go on.",
                file=sys.stderr,
            )
            return EXIT_INTERRUPTED
        except StoreError as error:
            with contextlib.suppress(OSError):  # the disk may be what is full
                self._log.write("run_stopped", slides_done=self._counters.slides_done, reason=str(error))
            raise
        rows = [self._rows[slide_id] for slide_id in sorted(self._rows)]
        if self._shard is not None:
            return self._conclude(rows)
        rows = with_cohort_flags(rows, masked=self._intake.blinding is not None)
        run = write_summary(self._out, rows, self._intake)
        status = self._conclude(rows)
        write_crate(self._out, rows, run)
        drop_order(self._out.root)
        write_seals(self._out)
        return status

    def _say_if_short_of_room(self, jobs: list[SlideJob]) -> None:
        if text := shortage(jobs, self._out.root):
            self._log.write("room_short", detail=text)
            print(f"histoquant: {text}", file=sys.stderr)

    def _quantify(self, jobs: list[SlideJob]) -> None:
        self._reporter.update(self._counters)
        if not jobs:
            return
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        workers = self._intake.workers if self._intake.workers is not None else cores
        listener = Listener(self._planned, self._batch_done, self._committed, self._failed)
        with open_executor(min(workers, len(jobs) * 4), self._intake.scheduler) as executor:
            Schedule(executor, listener).run(jobs)

    def _already_done(self, job: SlideJob) -> bool:
        if not self._out.is_committed(job.slide_id, job.key):
            return False
        manifest = self._out.manifest(job.slide_id)
        assert manifest is not None
        self._out.drop_work(job.slide_id)  # a run may have ended between the commit and this
        self._log.write("slide_kept", slide_id=job.slide_id)
        self._take_row(job.slide_id, manifest["row"])
        return True

    def _planned(self, job: SlideJob, receipt: PlanReceipt) -> None:
        self._counters.tiles_total += receipt.tiles
        self._log.write(
            "slide_planned",
            slide_id=job.slide_id,
            tiles=receipt.tiles,
            batches=receipt.batches,
            work=job.work_key,
        )
        self._reporter.update(self._counters)

    def _batch_done(self, job: SlideJob, receipt: BatchReceipt) -> None:
        self._interrupts.check()
        self._counters.tiles_done += receipt.tiles
        self._counters.cells += receipt.cells
        self._counters.megapixels += receipt.megapixels
        self._reporter.update(self._counters)

    def _committed(self, job: SlideJob, receipt: CommitReceipt) -> None:
        self._log.write("slide_committed", slide_id=job.slide_id, status=receipt.row["status"])
        self._take_row(job.slide_id, receipt.row)

    def _failed(self, job: SlideJob, error: BaseException) -> None:
        self._interrupts.check()
        detail = without_folders("".join(traceback.format_exception(error)), job.path)
        self._log.write("slide_failed", slide_id=job.slide_id, traceback=detail)
        self._settle_unusable(job.slide_id, self._intake.unusable_row(job.slide_id, error))

    def _settle_unusable(self, slide_id: str, row: dict[str, Any]) -> None:
        self._out.clear_slide(slide_id)
        self._out.write_manifest(slide_id, {"key": None, "row": row})
        self._take_row(slide_id, row)

    def _take_row(self, slide_id: str, row: dict[str, Any]) -> None:
        row = self._intake.with_identity_flags(slide_id, row)
        usable = str(row["status"]).startswith("OK")
        self._counters.slides_done += usable
        self._counters.slides_failed += not usable
        self._rows[slide_id] = {**row, **self._intake.identity_columns(slide_id)}
        self._reporter.slide(slide_id, row["status"], row["reason"])
        self._reporter.update(self._counters)

    def _conclude(self, rows: list[dict[str, Any]]) -> int:
        states = Counter(row["status"] for row in rows)
        self._log.write("run_finished", **states)
        said = ", ".join(f"{count} {status}" for status, count in sorted(states.items()))
        noun = "slide" if len(rows) == 1 else "slides"
        place = f" Report: {self._out.root / 'report.html'}" if self._shard is None else ""
        print(f"{len(rows)} {noun}: {said or 'nothing to do'}.{place}", file=sys.stderr)
        for row in rows:
            if row["status"] in {"FAILED", "REFUSED"}:
                print(f"  {row['status']} {row['file']}: {row['reason']}", file=sys.stderr)
        usable = states["OK"] + states["OK_WITH_FLAGS"]
        if usable == len(rows):
            return EXIT_OK
        return EXIT_SOME_FAILED if usable else EXIT_NONE_USABLE
