"""A virtual trial: patients, tracts, three biopsies each, responders and non-responders, missing tissue."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import cycle

import numpy as np

from histoquant.phantoms.appearance import APPEARANCES, Appearance
from histoquant.phantoms.artefacts import Artefact
from histoquant.phantoms.spec import SceneSpec

TIMEPOINTS = (("V1", 0, 0), ("V2", 2, 1), ("V3", 4, 2))  # label, month, doses before; biopsy precedes dose
TRIAL_MARKERS = ("CD68", "CD20", "CD31")
CLONES = {"CD68": "PG-M1", "CD20": "L26", "CD31": "JC70A"}
MISSING_REASONS = ("closed_no_tissue", "withdrew", "insufficient", "stain_failed", "not_done")
MISSING_SHARE = 0.08
MISHAP_SHARE = 0.22  # slides with a visible artefact
MISHAPS = ("fold", "pen", "defocus", "bubble", "debris")  # in turn, so that a small trial shows most

Key = tuple[str, str, str]


@dataclass(frozen=True)
class Course:
    """What inflammation does in one tract; factors relative to its first biopsy.

    Attributes
    ----------
    patient, tract : str
    responder : bool
    cd68, cd20, cd31 : tuple of 3 float
        Density factor per timepoint.
    level : float
        How inflamed this tract is at the start, 1 is average.
    """

    patient: str
    tract: str
    responder: bool
    cd68: tuple[float, float, float]
    cd20: tuple[float, float, float]
    cd31: tuple[float, float, float]
    level: float


@dataclass(frozen=True)
class PlannedSlide:
    """One slide to draw: who, when, which marker, what is in it and how it looks."""

    patient: str
    tract: str
    timepoint: str
    marker: str
    spec: SceneSpec
    appearance: Appearance
    artefacts: tuple[Artefact, ...]
    batch: str

    @property
    def name(self) -> str:
        """File name."""
        return f"{self.patient}_{self.tract}_{self.timepoint}_{self.marker}.tif"


@dataclass(frozen=True)
class Trial:
    """A planned trial: its slides, the biopsies that never came, and the course of every tract."""

    slides: tuple[PlannedSlide, ...]
    missing: tuple[tuple[str, str, str, str], ...]
    courses: tuple[Course, ...]


def _course(rng: np.random.Generator, patient: str, tract: str, responder: bool) -> Course:
    """Draw a trajectory: responders lose 30-60 % of CD68 and CD20 by the third biopsy."""
    if responder:
        end68, end20 = 1.0 - rng.uniform(0.35, 0.60), 1.0 - rng.uniform(0.30, 0.60)
        end31 = rng.uniform(0.80, 1.05)
    else:
        end68, end20 = rng.uniform(0.88, 1.18), rng.uniform(0.88, 1.20)
        end31 = rng.uniform(0.95, 1.25)
    half = rng.uniform(0.45, 0.60)  # a little more than half the change comes with the first dose
    path68, path20, path31 = ((1.0, math.exp(half * math.log(end)), end) for end in (end68, end20, end31))
    return Course(patient, tract, responder, path68, path20, path31, float(np.exp(rng.normal(0.0, 0.18))))


def _batches() -> tuple[Appearance, ...]:
    """Return one look per staining batch: close to each other, as within one laboratory."""
    normal = APPEARANCES["normal"]
    return (
        replace(normal, name="batch-1"),
        replace(
            normal,
            name="batch-2",
            hematoxylin=(0.69, 0.65, 0.32),
            hematoxylin_gain=0.88,
            white_point=(238.0, 239.0, 240.0),
            second_gain=0.94,
        ),
        replace(
            normal, name="batch-3", hematoxylin_gain=1.12, haze_od=0.01, white_point=(245.0, 243.0, 236.0)
        ),
    )


def plan_trial(
    patients: int, seed: int, size_mm: float, tracts: tuple[int, int], missing_share: float
) -> Trial:
    """Plan a trial; the same arguments give the same plan.

    Parameters
    ----------
    patients : int
        Every other patient responds, the first one included.
    seed : int
    size_mm : float
        Side of the square scanned area.
    tracts : (int, int)
        Fewest and most tracts per patient.
    missing_share : float
        Probability that a follow-up biopsy is missing.
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, 31]))
    slides: list[PlannedSlide] = []
    missing: list[tuple[str, str, str, str]] = []
    courses: list[Course] = []
    batches = _batches()
    mishaps = cycle(MISHAPS)
    for number in range(patients):
        patient = f"P{number + 1:02d}"
        batch = number % len(batches)
        bench = _Bench(batches[batch], f"B{batch + 1}", size_mm, mishaps)
        for t in range(int(rng.integers(tracts[0], tracts[1] + 1))):
            course = _course(rng, patient, f"T{t + 1}", number % 2 == 0)
            courses.append(course)
            for visit, (label, _, _) in enumerate(TIMEPOINTS):
                base = int(rng.integers(1 << 30))
                if visit > 0 and rng.uniform() < missing_share:
                    missing.append((patient, course.tract, label, str(rng.choice(MISSING_REASONS))))
                    continue
                slides += _biopsy(rng, course, visit, base, bench)
    return Trial(tuple(slides), tuple(missing), tuple(courses))


@dataclass(frozen=True)
class _Bench:
    """What the sections of one patient share in the laboratory."""

    look: Appearance
    batch: str
    size_mm: float
    mishaps: Iterator[str]


def _biopsy(
    rng: np.random.Generator, course: Course, visit: int, base: int, bench: _Bench
) -> list[PlannedSlide]:
    """Plan the three sections of one biopsy: one outline, three cuts."""
    fragments = int(rng.choice([1, 2, 2, 3])) if bench.size_mm >= 1.0 else 1
    out = []
    for m, marker in enumerate(TRIAL_MARKERS):
        side = 1000.0 * bench.size_mm
        spec = SceneSpec(
            marker,
            (side, side),
            seed=base + m,
            fragments=fragments,
            architecture=base,
            macrophages=330.0 * course.level * course.cd68[visit],
            b_cells=330.0 * course.level * course.cd20[visit],
            t_cells=1550.0 * course.level * (0.5 + 0.5 * course.cd20[visit]),
            plasma_cells=560.0 * (0.4 + 0.6 * course.cd20[visit]),
            neutrophils=110.0 * course.cd68[visit] ** 1.5,
            fibroblasts=520.0 * (1.5 - 0.5 * course.cd68[visit]),
            vessels=150.0 * course.cd31[visit],
            aggregates=2.0,
            aggregate_radius_um=72.0 * math.sqrt(course.level * course.cd20[visit]),
        )
        artefacts = _mishap(rng, side, next(bench.mishaps)) if rng.uniform() < MISHAP_SHARE else ()
        label = TIMEPOINTS[visit][0]
        out.append(
            PlannedSlide(
                course.patient, course.tract, label, marker, spec, bench.look, artefacts, bench.batch
            )
        )
    return out


def _mishap(rng: np.random.Generator, side_um: float, kind: str) -> tuple[Artefact, ...]:
    """Return one everyday artefact somewhere on the slide."""
    x, y = rng.uniform(0.3, 0.7, 2) * side_um
    seed = int(rng.integers(1 << 20))
    if kind == "fold":
        angle, half = rng.uniform(0.0, math.pi), rng.uniform(80.0, 170.0)
        step = np.linspace(-1.0, 1.0, 5)
        path = tuple(
            (float(x + half * s * math.cos(angle) + w), float(y + half * s * math.sin(angle) - w))
            for s, w in zip(step, rng.normal(0.0, 10.0, 5), strict=True)
        )
        return (Artefact("fold", path, float(rng.uniform(9.0, 17.0)), seed=seed),)
    if kind == "pen":
        edge = float(rng.choice([0.06, 0.94])) * side_um
        low = float(rng.uniform(-0.1, 0.35))
        bow = float(rng.uniform(-0.10, 0.10)) * side_um
        line = tuple(
            (edge + bow * math.sin(math.pi * s) + float(rng.normal(0.0, 5.0)), side_um * (low + 0.6 * s))
            for s in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
        )
        ink = str(rng.choice(["blue", "green", "black"], p=[0.45, 0.4, 0.15]))
        return (Artefact("pen", line, 55.0, ink=ink, strength=float(rng.uniform(0.55, 0.95)), seed=seed),)
    if kind == "bubble":
        return (Artefact("bubble", ((x, y),), float(rng.uniform(35.0, 75.0)), seed=seed),)
    if kind == "defocus":
        return (Artefact("defocus", ((x, y),), float(rng.uniform(110.0, 170.0)), strength=2.4, seed=seed),)
    spots = rng.uniform(0.05, 0.95, (5, 2)) * side_um
    return tuple(
        Artefact("debris", ((float(a), float(b)),), float(rng.uniform(2.0, 6.0)), seed=seed) for a, b in spots
    )
