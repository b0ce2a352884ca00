"""Write a virtual trial to disk: slides, study file, slide table and truth."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from histoquant.errors import UsageError
from histoquant.phantoms.render import render
from histoquant.phantoms.scene import build_scene
from histoquant.phantoms.trial import (
    CLONES,
    MISSING_SHARE,
    TIMEPOINTS,
    Course,
    PlannedSlide,
    Trial,
    plan_trial,
)
from histoquant.phantoms.truth import Truth, tell_truth
from histoquant.phantoms.writer import write_slide

DEFAULT_SIZE_MM = 1.25
SAMPLE_QUALITY = 74  # keeps 18 slides and their truth under 15 MB; scanners commonly use 70 to 80

Progress = Callable[[int, int, str], None]


def write_samples(
    folder: Path,
    *,
    patients: int = 2,
    seed: int = 1,
    size_mm: float = DEFAULT_SIZE_MM,
    tracts: tuple[int, int] | None = None,
    missing_share: float | None = None,
    quality: int = SAMPLE_QUALITY,
    progress: Progress | None = None,
) -> list[Path]:
    """Write a synthetic trial with exact truth.

    Parameters
    ----------
    folder : Path
        Created if need be; existing samples of the same name are overwritten.
    patients : int
        Up to 2: one tract each and no missing biopsy, as in ``sample_slides/``; more: 1 to 3 tracts per
        patient and about 8 % of follow-up biopsies missing, as in a trial.
    seed : int
        Same arguments, same bytes.
    size_mm : float
        Side of the scanned square; tissue fills a bit over half of it.
    tracts : (int, int), optional
        Fewest and most tracts per patient instead.
    missing_share : float, optional
        Share of missing follow-up biopsies instead.
    quality : int
        JPEG quality.
    progress : callable, optional
        Called as ``progress(done, total, name)`` after each slide.

    Returns
    -------
    list of Path
        The slides.

    Raises
    ------
    UsageError
        If a number is out of range.
    """
    trial = _planned(patients, seed, size_mm, tracts, missing_share)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "truth").mkdir(exist_ok=True)
    rows, paths = [], []
    for number, planned in enumerate(trial.slides, start=1):
        truth = write_planned(folder, planned, quality)
        rows.append({"slide": planned.name, **truth.summary})
        paths.append(folder / planned.name)
        if progress is not None:
            progress(number, len(trial.slides), planned.name)
    pd.DataFrame(rows).to_csv(folder / "truth" / "truth.csv", index=False)
    _write_tables(folder, trial, seed)
    return paths


def _planned(
    patients: int, seed: int, size_mm: float, tracts: tuple[int, int] | None, missing_share: float | None
) -> Trial:
    """The trial to draw: up to two patients make a demonstration, more a trial with what goes missing."""
    _check(patients, size_mm, tracts, missing_share)
    small = patients <= 2
    tracts = tracts or ((1, 1) if small else (1, 3))
    missing = missing_share if missing_share is not None else (0.0 if small else MISSING_SHARE)
    return plan_trial(patients, seed, size_mm, tracts, missing)


def _check(
    patients: int, size_mm: float, tracts: tuple[int, int] | None, missing_share: float | None
) -> None:
    if not 1 <= patients <= 500:
        raise UsageError(f"samples: {patients} patients asked for; 1 to 500 are possible")
    if not 0.3 <= size_mm <= 10.0:
        raise UsageError(f"samples: size_mm = {size_mm}; 0.3 to 10 mm are possible")
    if tracts is not None and not 1 <= tracts[0] <= tracts[1] <= 9:
        raise UsageError(f"samples: tracts = {tracts}; give fewest and most, 1 to 9")
    if missing_share is not None and not 0.0 <= missing_share < 1.0:
        raise UsageError(f"samples: missing_share = {missing_share}; 0 up to but not 1")


def write_planned(folder: Path, planned: PlannedSlide, quality: int) -> Truth:
    """Draw one planned slide, write it and its truth tables, and return the truth."""
    scene = build_scene(planned.spec)
    drawn = render(scene, planned.appearance, planned.artefacts)
    truth = tell_truth(scene, planned.appearance, planned.artefacts, drawn.stained_um2)
    write_slide(folder / planned.name, drawn.rgb, planned.appearance.scanner.mpp, quality=quality)
    stem = folder / "truth" / planned.name.removesuffix(".tif")
    for name in ("nuclei", "vessels", "aggregates", "extras"):
        getattr(truth, name).to_csv(f"{stem}_{name}.csv", index=False)
    return truth


def _write_tables(folder: Path, trial: Trial, seed: int) -> None:
    """Write study.toml, the tables it names, and truth/outcomes.csv."""
    table = pd.DataFrame([_slide_row(slide) for slide in trial.slides])
    table.to_csv(folder / "slides.csv", index=False)
    missing = pd.DataFrame(trial.missing, columns=["patient", "tract", "timepoint", "reason"])
    missing.to_csv(folder / "missing.csv", index=False)
    tracts = pd.DataFrame([{"patient": c.patient, "tract": c.tract} for c in trial.courses])
    tracts.to_csv(folder / "tracts.csv", index=False)
    patients = tracts[["patient"]].drop_duplicates().assign(completed="yes", reason="")
    patients.to_csv(folder / "patients.csv", index=False)
    outcomes = [
        {"patient": c.patient, "tract": c.tract, "arm": "exosome", "response": _response(c)}
        for c in trial.courses
    ]
    pd.DataFrame(outcomes).to_csv(folder / "truth" / "outcomes.csv", index=False)
    (folder / "study.toml").write_text(_study_text(seed), encoding="utf-8", newline="\n")


def _slide_row(slide: PlannedSlide) -> dict[str, str | int | float]:
    return {
        "slide": slide.name,
        "patient": slide.patient,
        "tract": slide.tract,
        "timepoint": slide.timepoint,
        "marker": slide.marker,
        "section": 1,
        "block": f"{slide.patient}-{slide.tract}-{slide.timepoint}",
        "batch": slide.batch,
        "clone": CLONES[slide.marker],
        "mpp": slide.appearance.scanner.mpp,
    }


def _study_text(seed: int) -> str:
    lines = [
        "# A synthetic trial made by `histoquant samples`: no patient, exact truth in truth/.",
        "[study]",
        f'name = "Synthetic fistula trial, seed {seed}"',
        "",
        "[slides]",
        'table = "slides.csv"',
        "",
        "[tables]",
        'patients = "patients.csv"',
        'tracts = "tracts.csv"',
        'missing = "missing.csv"',
    ]
    for label, month, doses in TIMEPOINTS:
        lines += ["", "[[timepoints]]", f'label = "{label}"', f"month = {month}", f"doses_before = {doses}"]
    return "\n".join(lines) + "\n"


def _response(course: Course) -> str:
    if not course.responder:
        return "resistant"
    return "closed" if course.cd68[2] < 0.55 else "improved"
