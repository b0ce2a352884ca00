"""One run under way: what is kept, what is queued, each slide's row as it comes in, and the end."""

from __future__ import annotations

import contextlib
import os
import sys
import time
import traceback
from collections import Counter
from typing import Any

from histoquant._version import __version__
from histoquant.errors import StoreError
from histoquant.run.cohort import with_cohort_flags
from histoquant.run.compile_ahead import compile_ahead
from histoquant.run.exits import EXIT_INTERRUPTED, EXIT_NONE_USABLE, EXIT_OK, EXIT_SOME_FAILED
from histoquant.run.intake import Intake
from histoquant.run.interrupts import Interrupts
from histoquant.run.job import SlideJob
from histoquant.run.options import RunOptions
from histoquant.run.order import drop_order
from histoquant.run.progress import Counters, Reporter, open_reporter
from histoquant.run.rows import spoken_doubt, spoken_row, without_folders
from histoquant.run.schedule import Listener, Schedule
from histoquant.run.shard import Shard
from histoquant.run.space import shortage
from histoquant.run.study_place import study_for_log
from histoquant.run.tasks import BatchReceipt, CommitReceipt, PlanReceipt
from histoquant.store.layout import OutputFolder
from histoquant.store.log import RunLog
from histoquant.store.verify import write_seals
from histoquant.tiling.executors import open_executor


class WholeRun:
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
        """Quantify what is not done yet, write tables and report, and return the exit status."""
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
        return self._write_tables(rows)

    def _write_tables(self, rows: list[dict[str, Any]]) -> int:
        # what describes and draws a run is loaded at its end: the first slide need not wait for it
        from histoquant.run.crate import write_crate
        from histoquant.run.summary import write_summary

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
        many = min(workers, len(jobs) * 4)
        if self._intake.scheduler is None:
            compile_ahead({job.marker.name for job in jobs})
        with open_executor(many, self._intake.scheduler, self._intake.limits) as executor:
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
        self._out.drop_pixels(job.slide_id)
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
                print(f"  {spoken_row(row)}", file=sys.stderr)
            elif doubt := spoken_doubt(row):
                print(f"  {doubt}", file=sys.stderr)
        usable = states["OK"] + states["OK_WITH_FLAGS"]
        if usable == len(rows):
            return EXIT_OK
        return EXIT_SOME_FAILED if usable else EXIT_NONE_USABLE
