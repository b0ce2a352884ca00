"""Control slides read twice: for their stains, then for their cells under the stain vectors of all."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Any

from histoquant.calibration import Calibration, ControlSlide, Lock
from histoquant.calibration.decide import Evidence, choose_threshold
from histoquant.errors import SlideError
from histoquant.run.control_slides import Look, Reading, evidence_of, look_at, provisional_lock, reading_of
from histoquant.run.controls import Control
from histoquant.run.intake import Intake
from histoquant.run.job import SlideJob
from histoquant.run.schedule import Listener, Schedule
from histoquant.store.layout import OutputFolder
from histoquant.tiling.executors import open_executor


def look_at_all(intake: Intake, controls: Iterable[Control]) -> tuple[list[Look], dict[str, str]]:
    """First reading of each control: what its stains are like; the reasons of those that cannot be read."""
    looks, lost = [], {}
    for control in controls:
        job = intake.job(control.slide_id, Path())
        try:
            looks.append(look_at(control, job))
        except SlideError as error:
            lost[control.path.name] = f"{error.code}: {error.message}"
    return looks, lost


def calibrated(folder: Path, intake: Intake, looks: list[Look]) -> tuple[Calibration | None, dict[str, str]]:
    """Second reading under the pooled vectors, and the threshold it gives.

    Parameters
    ----------
    folder : Path
        Where the second reading may lie meanwhile.
    intake : Intake
    looks : list of Look
        First readings, slides of one marker and batch side by side.

    Returns
    -------
    calibration : Calibration or None
        None where no slide could be read a second time.
    failed : dict of str to str
        What failed, by file.
    """
    groups = [
        list(own) for _, own in groupby(looks, key=lambda look: (look.control.marker, look.control.batch))
    ]
    locks = {(g[0].control.marker, g[0].control.batch): provisional_lock(g) for g in groups}
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".histoquant-", dir=folder) as name:
        out = OutputFolder(Path(name).resolve())
        (out.root / "slides").mkdir()
        jobs = []
        for look in looks:
            lock = locks[(look.control.marker, look.control.batch)]
            job = intake.job(look.control.slide_id, out.root)
            jobs.append(job.model_copy(update={"locked": lock.settings()}))
        failed = _quantify(jobs, intake)
        readings = [
            reading_of(look, locks[(look.control.marker, look.control.batch)], out, intake)
            for look in looks
            if look.control.slide_id not in failed
        ]
    if not readings:
        return None, _by_file(intake, failed)
    calibration = _locked(intake, locks, readings)
    return calibration, _by_file(intake, failed)


def _locked(intake: Intake, locks: dict[tuple[str, str], Lock], readings: list[Reading]) -> Calibration:
    final: list[Lock] = []
    controls: list[ControlSlide] = []
    for key, group in groupby(readings, key=lambda r: (r.look.control.marker, r.look.control.batch)):
        own = list(group)
        evidence: Evidence = evidence_of(own, locks[key])
        choice = choose_threshold(evidence)
        lock = locks[key].model_copy(
            update={
                "threshold_od": choice.threshold_od,
                "threshold_source": choice.source,
                "threshold_reason": choice.reason,
            }
        )
        final.append(lock)
        controls += [reading.under(lock) for reading in own]
    return Calibration(
        working_mpp_um=intake.parameters.working_mpp_um,
        lock=tuple(sorted(final, key=lambda lock: (lock.marker, lock.batch))),
        control=tuple(controls),
    )


def _quantify(jobs: list[SlideJob], intake: Intake) -> dict[str, BaseException]:
    """Run all jobs; returns what failed, by slide id."""
    failed: dict[str, BaseException] = {}
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = intake.workers if intake.workers is not None else cores
    done = 0

    def committed(job: SlideJob, _: Any) -> None:
        nonlocal done
        done += 1
        print(f"read {done} of {len(jobs)} controls: {job.path.name}", file=sys.stderr)

    def lost(job: SlideJob, error: BaseException) -> None:
        failed[job.slide_id] = error

    listener = Listener(lambda *_: None, lambda *_: None, committed, lost)
    many = min(workers, len(jobs) * 4)
    with open_executor(many, intake.scheduler, intake.limits) as executor:
        Schedule(executor, listener).run(jobs)
    return failed


def _by_file(intake: Intake, failed: dict[str, BaseException]) -> dict[str, str]:
    return {intake.slides[slide_id].name: str(error) for slide_id, error in failed.items()}
