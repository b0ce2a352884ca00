"""A virtual trial as tables: slides' rows with planted changes, without drawing a slide."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from histoquant.phantoms.trial import CLONES, TIMEPOINTS

RESPONSES = ("resistant", "improved", "closed")


@dataclass(frozen=True)
class TableTrial:
    """What is planted; every log-scale number is natural.

    Attributes
    ----------
    patients, tracts : int
        As in the published phase II trial: 20 and 43.
    changes : tuple of (str, (float, float))
        Mean log density change at the second and third biopsy, by marker.
    slope_sd : float
        Spread of patients' changes at the last timepoint.
    tract_sd, noise_sd : float
        Spread of tracts' levels, and of single biopsies.
    missing_share : float
        Share of follow-up biopsies without slides.
    response_shift : float
        How much further the log density falls per class of response, over ``slope_sd``.
    arm_shift : float
        Further change in the first arm, log scale.
    seed : int
    """

    patients: int = 20
    tracts: int = 43
    changes: tuple[tuple[str, tuple[float, float]], ...] = (
        ("CD68", (-0.25, -0.50)),
        ("CD20", (-0.20, -0.40)),
        ("CD31", (-0.05, -0.15)),
    )
    slope_sd: float = 0.30
    tract_sd: float = 0.25
    noise_sd: float = 0.20
    missing_share: float = 0.0
    response_shift: float = 0.0
    arm_shift: float = 0.0
    seed: int = 1


_PER_MM2 = {"CD68": 330.0, "CD20": 250.0, "CD31": 120.0}


def table_trial(plan: TableTrial) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Draw a trial.

    Parameters
    ----------
    plan : TableTrial

    Returns
    -------
    slides : DataFrame
        Rows as of ``slides.csv``: one section per biopsy and marker, counts Poisson over lognormal densities.
    outcomes : DataFrame
        patient, arm, response; classes 12 : 4 : 4 of 20, dealt at random unless ``response_shift`` is set.
    """
    rng = np.random.default_rng(np.random.SeedSequence([plan.seed, 77]))
    extra = rng.multinomial(plan.tracts - plan.patients, np.full(plan.patients, 1 / plan.patients))
    classes = rng.permutation(_classes(plan.patients))
    arms = rng.permutation(np.arange(plan.patients) % 2)
    rows = []
    for number in range(plan.patients):
        patient = f"P{number + 1:02d}"
        # centred over classes and arms, so that the planted mean change stays what it is
        shift = -plan.response_shift * plan.slope_sd * (classes[number] - float(np.mean(classes)))
        shift += plan.arm_shift * (0.5 - arms[number])
        for marker, path in plan.changes:
            drawn = _Course(rng.normal(0, 0.35), rng.normal(0, plan.slope_sd) + shift, (0.0, *path))
            for tract in range(1 + int(extra[number])):
                rows += _sections(rng, plan, (patient, f"T{tract + 1}", marker), drawn)
    outcomes = pd.DataFrame(
        {
            "patient": [f"P{number + 1:02d}" for number in range(plan.patients)],
            "arm": ["exosome" if arm == 0 else "placebo" for arm in arms],
            "response": [RESPONSES[at] for at in classes],
        }
    )
    order = ["patient", "tract", "timepoint", "marker"]
    return pd.DataFrame(rows).sort_values(order, ignore_index=True), outcomes


def _classes(patients: int) -> list[int]:
    resistant = improved = patients // 5
    return [0] * resistant + [1] * improved + [2] * (patients - resistant - improved)


@dataclass(frozen=True)
class _Course:
    """A patient's level, own change by the last timepoint, and the planted mean path."""

    level: float
    slope: float
    path: tuple[float, float, float]


def _sections(
    rng: np.random.Generator, plan: TableTrial, key: tuple[str, str, str], course: _Course
) -> list[dict[str, object]]:
    patient, tract, marker = key
    tract_level = rng.normal(0, plan.tract_sd)
    rows = []
    for (label, month, _), change in zip(TIMEPOINTS, course.path, strict=True):
        area = float(rng.uniform(0.6, 3.0))
        log_density = math.log(_PER_MM2[marker]) + course.level + tract_level + change
        log_density += course.slope * month / TIMEPOINTS[-1][1] + rng.normal(0, plan.noise_sd)
        count = int(rng.poisson(math.exp(log_density) * area))
        absent = month > 0 and rng.uniform() < plan.missing_share
        if not absent:
            rows.append(
                {
                    "slide_id": f"{patient}_{tract}_{label}_{marker}",
                    "status": "OK",
                    "patient": patient,
                    "tract": tract,
                    "timepoint": label,
                    "marker": marker,
                    "clone": CLONES[marker],
                    "tissue_mm2": area,
                    **_readouts(marker, count, area, rng),
                }
            )
    return rows


def _readouts(marker: str, count: int, area: float, rng: np.random.Generator) -> dict[str, object]:
    percent = 100 * count / area * 1.2e-4
    if marker == "CD31":
        return {
            "vessels": count,
            "vessels_per_mm2": count / area,
            "endothelial_area_percent": percent,
            "lumen_area_percent": percent / 2,
        }
    cells: dict[str, object] = {"positive": count, "positive_area_percent": percent}
    if marker == "CD20":
        share = float(rng.beta(2, 40))
        inside = int(rng.poisson(6000 * share * area))
        outside = area * (1 - share)
        cells |= {
            "positive": count + inside,
            "diffuse_per_mm2": count / outside,
            "aggregates": round(share * area / 0.02),
            "aggregate_area_percent": 100 * share,
        }
    return cells
