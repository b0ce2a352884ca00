"""``histoquant calibrate``: control slides in, one calibration file and its drift page out."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from histoquant.calibration import Calibration, ControlSlide, Lock, drift_series, spoken, toml_text
from histoquant.calibration.decide import Evidence, choose_threshold
from histoquant.errors import SlideError, UsageError
from histoquant.run.control_slides import Look, Reading, evidence_of, look_at, provisional_lock, reading_of
from histoquant.run.controls import Called, Control, controls_of
from histoquant.run.exits import EXIT_NONE_USABLE, EXIT_OK, EXIT_SOME_FAILED
from histoquant.run.intake import Intake, take_in
from histoquant.run.job import SlideJob
from histoquant.run.options import RunOptions
from histoquant.run.schedule import Listener, Schedule
from histoquant.store.atomic import json_bytes, write_bytes
from histoquant.store.layout import OutputFolder
from histoquant.tiling.executors import open_executor


@dataclass(frozen=True)
class CalibrateOptions:
    """The command line of ``histoquant calibrate``.

    Attributes
    ----------
    slides : tuple of Path
        Control slides, or folders that hold them.
    out : Path
        Calibration file to write; its page lies beside it under the same name, ``.html``.
    negative : tuple of Path
        Slides that are negative controls, where neither table nor name says so.
    """

    slides: tuple[Path, ...]
    out: Path = Path("calibration.toml")
    negative: tuple[Path, ...] = ()
    study: Path | None = None
    marker: str | None = None
    mpp: float | None = None
    workers: int | None = None
    working_mpp_um: float | None = None
    settings: tuple[str, ...] = ()
    as_json: bool = False


def calibrate_slides(options: CalibrateOptions) -> int:
    """Lock stain vectors, strengths and threshold per marker and batch from control slides.

    Parameters
    ----------
    options : CalibrateOptions
        The command line.

    Returns
    -------
    int
        Exit status: 0 every control was used, 3 some were not, 4 none could be.

    Raises
    ------
    UsageError
        If the command or the slide table is wrong.
    """
    intake, controls, refused = _controls(options)
    looks, lost = _look_at_all(intake, controls)
    refused |= lost
    if looks:
        calibration, failed = _calibrated(options, intake, looks)
        refused |= failed
        if calibration is not None:
            _write(options, calibration)
    for name, reason in sorted(refused.items()):
        print(f"  not used: {name}: {reason}", file=sys.stderr)
    if not looks or calibration is None:
        print("histoquant: no control slide could be used; nothing was written.", file=sys.stderr)
        return EXIT_NONE_USABLE
    return EXIT_SOME_FAILED if refused else EXIT_OK


def _controls(options: CalibrateOptions) -> tuple[Intake, list[Control], dict[str, str]]:
    """Controls with a usable marker; the reasons of those without; a line about slides that are none."""
    absent = [path for path in options.negative if not path.is_file()]
    if absent:
        raise UsageError(f"--negative {absent[0]}: not there. Name the negative control's file.")
    named = (*options.slides, *options.negative)
    taken = RunOptions(
        slides=named,
        out=options.out,
        study=options.study,
        marker=options.marker,
        mpp=options.mpp,
        workers=options.workers,
        working_mpp_um=options.working_mpp_um,
        settings=options.settings,
    )
    intake = take_in(taken, calibrated=False)
    if "threshold_od" in intake.settings:
        raise UsageError("--set threshold_od: the threshold is what calibrate finds. Leave it out.")
    called = Called.on(intake, named, options.negative)
    controls, others = controls_of(intake, called)
    if others:
        print(
            f"histoquant: {len(others)} of {len(intake.markers)} slides are no controls and are left out "
            f"(first: {others[0].name}). Controls say so in the slide table's column control, in their name "
            "(negative, isotype, poscontrol, tonsil), or are named as files.",
            file=sys.stderr,
        )
    unstained = {
        c.path.name: "no DAB to lock" for c in controls if intake.markers[c.slide_id].stains != "H-DAB"
    }
    meant = {
        slide_id: row
        for slide_id, row in intake.refused.items()
        if called.kind(intake.slides[slide_id], intake.identities[slide_id].control) is not None
    }
    refused = {row["file"]: row["reason"] for row in meant.values()} | unstained
    return intake, [control for control in controls if control.path.name not in unstained], refused


def _look_at_all(intake: Intake, controls: Iterable[Control]) -> tuple[list[Look], dict[str, str]]:
    """First reading of each control: what its stains are like."""
    looks, lost = [], {}
    for control in controls:
        job = intake.job(control.slide_id, Path())
        try:
            looks.append(look_at(control, job))
        except SlideError as error:
            lost[control.path.name] = f"{error.code}: {error.message}"
    return looks, lost


def _calibrated(
    options: CalibrateOptions, intake: Intake, looks: list[Look]
) -> tuple[Calibration | None, dict[str, str]]:
    """Second reading under the pooled vectors, and the threshold it gives."""
    groups = [
        list(own) for _, own in groupby(looks, key=lambda look: (look.control.marker, look.control.batch))
    ]
    locks = {(g[0].control.marker, g[0].control.batch): provisional_lock(g) for g in groups}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".histoquant-", dir=options.out.parent) as folder:
        out = OutputFolder(Path(folder).resolve())
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


def _write(options: CalibrateOptions, calibration: Calibration) -> None:
    from histoquant.report.calibration_page import calibration_page  # charts are slow to load

    page = options.out.with_suffix(".html")
    write_bytes(options.out, toml_text(calibration).encode())
    write_bytes(page, calibration_page(calibration, options.out.name).encode())
    if options.as_json:
        body = calibration.model_dump(mode="json")
        body["drift"] = [line for series in drift_series(calibration.control) for line in spoken(series)]
        sys.stdout.write(json_bytes(body).decode())
        return
    for lock in calibration.lock:
        print(f"{lock.marker}, batch {lock.batch}: DAB threshold {lock.threshold_od:.3f} OD")
        print(f"  threshold: {lock.threshold_reason}")
        vectors = (
            f"{lock.vectors_source}; {lock.vectors_reason}" if lock.vectors_reason else lock.vectors_source
        )
        print(f"  stain vectors: {vectors}")
    for series in drift_series(calibration.control):
        for line in spoken(series):
            print(line)
    print(f"Wrote {options.out} and {page}. Next: histoquant run SLIDES --calibration {options.out}")
