"""``histoquant calibrate``: control slides in, one calibration file and its drift page out."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from histoquant.calibration import Calibration, drift_series, spoken, toml_text
from histoquant.errors import UsageError
from histoquant.run.controls import Called, Control, controls_of
from histoquant.run.exits import EXIT_NONE_USABLE, EXIT_OK, EXIT_SOME_FAILED
from histoquant.run.intake import Intake, take_in
from histoquant.run.options import RunOptions
from histoquant.store.atomic import json_bytes, write_bytes


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
    from histoquant.run.two_readings import calibrated, look_at_all  # kernels: loaded when nothing is wrong

    looks, lost = look_at_all(intake, controls)
    refused |= lost
    if looks:
        calibration, failed = calibrated(options.out.parent, intake, looks)
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
