"""From what the user typed to one job or one refusal per slide."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from histoquant._version import __version__
from histoquant.calibration import Calibration, Lock, read_calibration
from histoquant.errors import CalibrationError, SlideError, SlideRefusedError, UsageError
from histoquant.markers import get_marker, marker_names
from histoquant.markers.definition import MarkerDefinition
from histoquant.run.build import build_digest
from histoquant.run.first_look import require_slides
from histoquant.run.floors import check_floors
from histoquant.run.job import SlideJob, file_state
from histoquant.run.options import RunOptions, changed_marker, parse_settings
from histoquant.run.parameters import RunParameters, parameters_from
from histoquant.run.rows import bare_row, without_folders
from histoquant.run.segmenter import SegmenterChoice, choose_segmenter
from histoquant.run.study_markers import study_markers
from histoquant.slides import find_slides, printable_name
from histoquant.store.atomic import file_sha256
from histoquant.study.annotations import annotation_file
from histoquant.study.design import BlindingSection
from histoquant.study.identity import SlideIdentity, identify_slides
from histoquant.study.study_file import Study, load_study
from histoquant.tiling.addresses import check_scheduler_address
from histoquant.tiling.limits import WorkerLimits

IDENTITY_COLUMNS = ("patient", "tract", "timepoint", "section", "block", "batch", "clone", "control")


@dataclass
class Intake:
    """The slides of one run, told apart.

    Attributes
    ----------
    slides : dict of str to Path
        Slides by id.
    identities : dict of str to SlideIdentity
    calibration : Calibration or None
        What slides are read with, where it holds a lock for them.
    calibration_name : str
        File name of the calibration.
    segmenter : SegmenterChoice or None
        What finds nuclei in place of the library's own search.
    refused : dict of str to dict
        Rows of slides that no job can be made for.
    """

    study: Study | None
    parameters: RunParameters
    settings: dict[str, str]
    mpp: float | None
    workers: int | None
    scheduler: str | None
    limits: WorkerLimits
    calibration: Calibration | None = None
    calibration_name: str = ""
    segmenter: SegmenterChoice | None = None
    slides: dict[str, Path] = field(default_factory=dict)
    identities: dict[str, SlideIdentity] = field(default_factory=dict)
    markers: dict[str, MarkerDefinition] = field(default_factory=dict)
    refused: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def blinding(self) -> BlindingSection | None:
        """What ties a blind folder to its key; None where slides are not masked."""
        return self.study.design.blinding if self.study is not None else None

    @property
    def slide_ids(self) -> list[str]:
        """Ids of all input slides, sorted."""
        return sorted(self.identities)

    def jobs(self, out: Path) -> list[SlideJob]:
        """One job per usable slide, largest file first, so that no long slide starts last.

        A slide that cannot be looked up any more becomes a refused one.
        """
        jobs = []
        for slide_id in sorted(self.markers):
            try:
                jobs.append(self.job(slide_id, out))
            except OSError as error:
                path = self.slides[slide_id]
                reason = (
                    f"UNREADABLE: {path.name}: cannot be looked up ({error.strerror}). Check link and disk."
                )
                identity = self.identities[slide_id]
                self.refused[slide_id] = bare_row(printable_name(path), identity, "REFUSED", reason)
        return sorted(jobs, key=lambda job: (-job.size_bytes, job.slide_id))

    def job(self, slide_id: str, out: Path) -> SlideJob:
        """The order to quantify one slide into ``out``."""
        path = self.slides[slide_id].absolute()
        size_bytes, modified_ns = file_state(path)
        lock = self.lock_of(slide_id)
        drawn = annotation_file(path)
        return SlideJob(
            slide_id=slide_id,
            path=path,
            out=out,
            marker=self.markers[slide_id],
            mpp=self.mpp,
            study_mpp=self.identities[slide_id].study_mpp,
            parameters=self.parameters,
            size_bytes=size_bytes,
            modified_ns=modified_ns,
            locked=lock.settings() if lock is not None else None,
            annotations=drawn,
            annotations_sha256=file_sha256(drawn) if drawn is not None else "",
            expected_sha256=self.identities[slide_id].sha256 or "",
            build=build_digest(),
            segmenter=self.segmenter,
        )

    def lock_of(self, slide_id: str) -> Lock | None:
        """What the calibration holds for a slide's marker and batch; None without a calibration."""
        marker = self.markers.get(slide_id)
        if self.calibration is None or marker is None or marker.stains != "H-DAB":
            return None
        return self.calibration.lock_for(marker.name, self.identities[slide_id].batch)

    def calibration_flags(self, slide_id: str) -> tuple[str, ...]:
        """What is doubtful about the lock a slide is read with, or about its absence."""
        marker, identity = self.markers.get(slide_id), self.identities[slide_id]
        if self.calibration is None or marker is None or marker.stains != "H-DAB":
            return ()
        lock = self.lock_of(slide_id)
        if lock is None:
            return ("NOT_CALIBRATED",)
        flags = []
        if identity.batch is not None and lock.batch != identity.batch:
            flags.append("CALIBRATED_BY_DEFAULT_BATCH")
        if identity.clone is not None and lock.clone is not None and lock.clone != identity.clone:
            flags.append("CALIBRATION_CLONE_DIFFERS")
        if self.calibration.histoquant != __version__:
            flags.append("CALIBRATION_VERSION_DIFFERS")
        return tuple(flags)

    def identity_columns(self, slide_id: str) -> dict[str, Any]:
        """The identity part of a slide's row."""
        identity = self.identities[slide_id]
        return {name: getattr(identity, name) for name in IDENTITY_COLUMNS}

    def with_identity_flags(self, slide_id: str, row: dict[str, Any]) -> dict[str, Any]:
        """The row with what is doubtful about whose slide it is, which no reader of pixels can know."""
        flags = [flag for flag in str(row["flags"]).split(";") if flag]
        known = self.identities[slide_id].flags
        if row["status"] in {"OK", "OK_WITH_FLAGS"}:
            known = (*known, *self.calibration_flags(slide_id))
        flags = list(dict.fromkeys([*flags, *known]))
        status = "OK_WITH_FLAGS" if flags and row["status"] == "OK" else row["status"]
        return {**row, "flags": ";".join(flags), "status": status}

    def unusable_row(self, slide_id: str, error: BaseException) -> dict[str, Any]:
        """Row of a slide that gave no numbers, with the reason in it."""
        status = "REFUSED" if isinstance(error, SlideRefusedError) else "FAILED"
        if isinstance(error, SlideError):
            reason = f"{error.code}: {error.message}"
        else:
            said = without_folders(str(error), self.slides[slide_id])
            reason = f"INTERNAL: {type(error).__name__}: {said}. The traceback is in log.jsonl."
        return bare_row(printable_name(self.slides[slide_id]), self.identities[slide_id], status, reason)


def take_in(options: RunOptions, *, calibrated: bool = True) -> Intake:
    """Find slides, read the study, and tell each slide's marker.

    Parameters
    ----------
    options : RunOptions
    calibrated : bool
        Whether the calibration that options or study file name is read; not where one is to be made.

    Raises
    ------
    UsageError
        If a path does not exist, an option does not fit, or the study file is wrong.
    """
    require_slides(options.slides)
    study = _study_of(options)
    own = study_markers(study)
    if options.marker is not None and options.marker not in own:
        get_marker(options.marker)
    intake = _settled(options, study, calibrated)
    if intake.scheduler is not None:
        check_scheduler_address(intake.scheduler)
    for warning in check_floors(intake.scheduler):
        print(f"histoquant: {warning}", file=sys.stderr)
    paths = _input_slides(options)
    identities, missing = identify_slides(paths, study, options.marker, known_markers=(*marker_names(), *own))
    for path, identity in identities.items():
        intake.slides[identity.slide_id] = path
        intake.identities[identity.slide_id] = identity
        _choose_marker(intake, path, identity, own)
    for slide in missing:
        slide_id = slide.identity.slide_id
        intake.slides[slide_id], intake.identities[slide_id] = slide.path, slide.identity
        reason = f"NOT_FOUND: {slide.message}"
        intake.refused[slide_id] = bare_row(printable_name(slide.path), slide.identity, "FAILED", reason)
    return intake


def _input_slides(options: RunOptions) -> list[Path]:
    """Each file once, however it is spelt, and no picture of an earlier run."""
    out = options.out.resolve()
    if any(path.is_dir() and path.resolve() == out for path in options.slides):
        raise UsageError(f"-o {options.out}: is the slide folder itself. Choose another folder for results.")
    slides: dict[Path, Path] = {}
    for path in find_slides(options.slides):
        real = path.resolve()
        if out not in real.parents:
            slides.setdefault(real, path)
    return list(slides.values())


def _study_of(options: RunOptions) -> Study | None:
    if options.study is not None:
        if not options.study.exists():
            raise UsageError(f"--study {options.study}: not there. Name a study.toml, or leave --study out.")
        study = load_study(options.study)
        if study is None:
            raise UsageError(f"--study {options.study}: no study.toml in it. Name the file itself.")
        return study
    folders = [path if path.is_dir() else path.parent for path in options.slides]
    studies = [study for folder in dict.fromkeys(folders) if (study := load_study(folder)) is not None]
    if len(studies) > 1:
        named = ", ".join(str(study.path) for study in studies)
        raise UsageError(f"Several study files: {named}. Run one study at a time, or name one with --study.")
    return studies[0] if studies else None


def _settled(options: RunOptions, study: Study | None, calibrated: bool) -> Intake:
    """Command line first, then the study file, then the defaults."""
    section = study.run if study is not None else None

    def choose(given: Any, name: str) -> Any:
        return given if given is not None else getattr(section, name, None)

    chosen = {
        "tile_size_px": choose(options.tile_size_px, "tile_size"),
        "working_mpp_um": choose(options.working_mpp_um, "working_mpp"),
        "unread_limit_percent": choose(options.unread_limit_percent, "unread_limit"),
        "cross_check_tiles": choose(options.cross_check_tiles, "cross_check"),
    }
    parameters = parameters_from(chosen)
    limits = {
        "memory_mb": choose(options.worker_memory_mb, "worker_memory"),
        "task_s": choose(options.task_limit_s, "task_limit"),
    }
    mpp = choose(options.mpp, "mpp")
    if mpp is not None and not math.isfinite(mpp):
        raise UsageError(f"--mpp {mpp}: not a number of micrometres. Expected 0.05 to 2.")
    by_study = tuple(f"{key}={value}" for key, value in section.set.items()) if section else ()
    settings = parse_settings((*by_study, *options.settings))
    segmenter = choose(options.segmenter, "segmenter")
    path = options.calibration or (study.calibration_path if study is not None else None)
    path = path if calibrated else None
    return Intake(
        study=study,
        parameters=parameters,
        settings=settings,
        mpp=mpp,
        workers=choose(options.workers, "workers"),
        scheduler=choose(options.scheduler, "scheduler"),
        limits=WorkerLimits(**{name: value for name, value in limits.items() if value is not None}),
        calibration=read_fitting_calibration(path, parameters, settings) if path is not None else None,
        calibration_name=path.name if path is not None else "",
        segmenter=choose_segmenter(segmenter) if segmenter else None,
    )


def read_fitting_calibration(path: Path, parameters: RunParameters, settings: dict[str, str]) -> Calibration:
    """Read a calibration that a run with these parameters may use.

    Raises
    ------
    CalibrationError
        If the file is wrong, was made at another resolution of analysis, or a threshold is set as well.
    """
    calibration = read_calibration(path)
    if calibration.working_mpp_um != parameters.working_mpp_um:
        raise CalibrationError(
            f"{path.name}: working_mpp_um: made at {calibration.working_mpp_um:g} um/px, the run analyses at "
            f"{parameters.working_mpp_um:g}. Run with --working-mpp {calibration.working_mpp_um:g}, or "
            f"calibrate with --working-mpp {parameters.working_mpp_um:g}."
        )
    if "threshold_od" in settings:
        raise CalibrationError(
            f"{path.name}: the threshold is locked by this file and set by threshold_od="
            f"{settings['threshold_od']} as well. Leave one of them out."
        )
    return calibration


def _choose_marker(
    intake: Intake, path: Path, identity: SlideIdentity, own: dict[str, MarkerDefinition]
) -> None:
    unknown = next((note for note in identity.notes if note.code == "UNKNOWN_MARKER"), None)
    if identity.marker is None or unknown is not None:
        absent = (
            f"{path.name}: no marker in its name or the slide table. Pass --marker, add it to the table, "
            f"or name the file like P01_T1_V1_CD68. Known: {', '.join((*marker_names(), *own))}."
        )
        message = unknown.message if unknown else absent
        row = bare_row(printable_name(path), identity, "REFUSED", f"NO_MARKER: {message}")
        intake.refused[identity.slide_id] = row
        return
    marker = own.get(identity.marker) or get_marker(identity.marker)
    intake.markers[identity.slide_id] = changed_marker(marker, intake.settings)
