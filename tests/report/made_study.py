"""A made-up study in the tables of `histoquant.study.layout`: numbers by chance, not by analysis."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from histoquant.store.csv_table import csv_bytes
from histoquant.study.layout import TABLES

MAIN = {
    "cd68_per_mm2": ("CD68", "main", "log", "1/mm2", 420.0),
    "cd20_diffuse_per_mm2": ("CD20", "main", "log", "1/mm2", 180.0),
    "cd31_vessels_per_mm2": ("CD31", "main", "log", "1/mm2", 150.0),
    "cd68_area_percent": ("CD68", "further", "difference", "%", 6.0),
    "inflammation_score": ("HII", "index", "difference", "points", 52.0),
}
VISITS = (("V1", 0.0), ("V2", 2.0), ("V3", 4.0))
RESPONSES = ("closed",) * 12 + ("improved",) * 4 + ("resistant",) * 4
Rows = list[dict[str, Any]]


def patients(count: int) -> list[tuple[str, str]]:
    """Patient and tract, two or three tracts each."""
    return [(f"P{p + 1:02d}", f"T{t + 1}") for p in range(count) for t in range(2 + (p % 7 == 0))]


def made_tables(count: int = 20, seed: int = 1) -> dict[str, Rows]:
    """Rows of every table for ``count`` patients; 0 gives the rows of a study in which nothing was found."""
    rng = np.random.default_rng(seed)
    tables: dict[str, Rows] = {name: [] for name in TABLES}
    who = patients(count)
    levels = {(p, t): rng.normal(0, 0.3) for p, t in who}
    for measure, (marker, role, scale, unit, base) in MAIN.items():
        common = {"measure": measure, "marker": marker, "role": role, "scale": scale}
        for patient, tract in who:
            for number, (label, month) in enumerate(VISITS):
                gone = rng.uniform() < 0.08 * number
                log = np.log(base) + levels[patient, tract] - 0.2 * number + rng.normal(0, 0.2)
                value = float(np.exp(log))
                row = {**common, "patient": patient, "tract": tract, "timepoint": label, "month": month}
                row |= {"unit": unit, "value": value, "evaluable": not gone}
                row |= {"analysed": None if gone else log if scale == "log" else value}
                row |= {"reason": "NO_BIOPSY (closed_no_tissue)" if gone else None}
                tables["measures"].append(row)
        _summaries(tables, common, unit, base, count, rng)
    _flow(tables, count, len(who))
    _readers(tables, who, rng)
    tables["notes"] = [
        {
            "code": "CLONE_CHANGES",
            "where": "P03 T1 CD68",
            "says": "clone PG-M1 at V1, KP1 at V2; not compared",
        }
    ]
    tables["proportions"] = [
        {"what": "closed", "unit": "patients", "among": "with an outcome", "successes": 12, "total": 20}
        | {"percent": 60.0, "low": 36.1, "high": 80.9}
    ]
    return tables


def _summaries(
    tables: dict[str, Rows],
    common: dict[str, Any],
    unit: str,
    base: float,
    count: int,
    rng: np.random.Generator,
) -> None:
    log = common["scale"] == "log"
    for number, (label, month) in enumerate(VISITS):
        middle = base * np.exp(-0.2 * number)
        row = {**common, "unit": unit, "timepoint": label, "month": month, "patients": count - number}
        row |= {"tracts": 43 - 2 * number, "median": middle, "median_low": middle * 0.85}
        row |= {"median_high": middle * 1.17, "median_confidence_percent": 95.9}
        tables["timepoints"].append(row | {"quartile_low": middle * 0.75, "quartile_high": middle * 1.3})
        if not number:
            continue
        hl = -0.2 * number if log else -0.1 * base * number
        half = 0.12 if log else 0.05 * base
        about = {**common, "baseline": "V1", "timepoint": label, "months": month, "patients": count - number}
        row = {**about, "unit": "ln ratio" if log else "points", "tracts": 40, "hl": hl, "hl_low": hl - half}
        row |= {"hl_high": hl + half, "hl_confidence_percent": 95.2, "wilcoxon_p": 0.0004, "p_holm": 0.0012}
        row |= {"mean": hl, "mean_low": hl - half, "mean_high": hl + half, "t_p": 0.0003, "srm": -0.9}
        row |= {"srm_low": -1.4, "srm_high": -0.4, "sign_flip_p": 0.0005, "beyond_detectable": 22}
        row |= {"primary": common["measure"] == "cd68_per_mm2" and label == "V3"}
        if log:
            row |= {
                "hl_ratio": np.exp(hl),
                "hl_ratio_low": np.exp(hl - half),
                "hl_ratio_high": np.exp(hl + half),
            }
            row |= {"mean_ratio": np.exp(hl)}
        tables["changes"].append(row)
        for model in ("mixed", "gee") if log else ("mixed",):
            row = {
                **about,
                "model": model,
                "biopsies": 120,
                "estimate": hl,
                "low": hl - half,
                "high": hl + half,
            }
            row |= {"p": 0.001, "converged": model == "gee", "boundary": model == "mixed"}
            row |= (
                {"ratio": np.exp(hl), "ratio_low": np.exp(hl - half), "ratio_high": np.exp(hl + half)}
                if log
                else {}
            )
            tables["models"].append(row)
        for patient in range(count):
            change = hl + rng.normal(0, half)
            row = {**about, "patient": f"P{patient + 1:02d}", "response": RESPONSES[patient % 20]}
            tables["response_points"].append(
                row | {"change": change, "ratio": np.exp(change) if log else None}
            )
        for response in ("resistant", "improved", "closed"):
            row = {
                **about,
                "response": response,
                "median": hl,
                "quartile_low": hl - half,
                "quartile_high": hl + half,
            }
            tables["response_groups"].append(row)
        row = {**about, "groups": "closed 12; improved 4; resistant 4", "jt_j": 79, "jt_p": 0.02, "auc": 0.8}
        row |= {
            "auc_low": 0.55,
            "auc_high": 0.93,
            "auc_p": 0.03,
            "jt_method": "permutation 20000",
            "tracts": 43,
        }
        tables["response"].append(
            row | {"tract_odds_ratio": 2.1, "tract_low": 1.1, "tract_high": 4.2, "tract_p": 0.04}
        )
        row = {
            **about,
            "arm": "exosome",
            "reference_arm": "placebo",
            "reference_patients": 10,
            "difference": hl,
        }
        row |= {"low": hl - half, "high": hl + half, "p": 0.2, "p_holm": 0.6}
        row |= (
            {"ratio": np.exp(hl), "ratio_low": np.exp(hl - half), "ratio_high": np.exp(hl + half)}
            if log
            else {}
        )
        tables["arms"].append(row)
        if common["role"] != "further":
            for scenario, delta in (
                ("observed", None),
                ("closed_best", None),
                ("delta", 0.1),
                ("tipping", 0.9),
            ):
                row = {**about, "scenario": scenario, "delta": delta, "filled": 4, "mean": hl, "p": 0.001}
                tables["missing"].append(row | {"low": hl - half, "high": hl + half})
    tables["trends"].append(
        {
            **common,
            "timepoints": "V1;V2;V3",
            "patients": count,
            "friedman_chi2": 6.4,
            "friedman_p": 0.04,
            "page_p": 0.007,
            "page_rise_p": 0.99,
        }
    )


def _flow(tables: dict[str, Rows], count: int, tracts: int) -> None:
    rows = [{"step": "enrolled", "patients": count + 3}]
    rows.append({"step": "completed", "patients": count, "lost": 3, "reasons": "withdrew 2; not_recorded 1"})
    for number, (label, month) in enumerate(VISITS):
        about = {"timepoint": label, "month": month}
        rows.append({**about, "step": "planned", "patients": count, "tracts": tracts})
        rows.append(
            {
                **about,
                "step": "biopsied",
                "patients": count,
                "tracts": tracts - 2 * number,
                "lost": 2 * number,
            }
            | {"reasons": f"closed_no_tissue {number}; withdrew {number}" if number else None}
        )
        for measure, marker in (
            ("cd68_per_mm2", "CD68"),
            ("cd20_diffuse_per_mm2", "CD20"),
            ("cd31_vessels_per_mm2", "CD31"),
        ):
            row = {
                **about,
                "measure": measure,
                "marker": marker,
                "patients": count,
                "tracts": tracts - 3 * number,
            }
            rows.append(
                {
                    **row,
                    "step": "evaluable",
                    "lost": number,
                    "reasons": f"INSUFFICIENT_TISSUE {number}" if number else None,
                }
            )
            if number:
                rows.append(
                    {**row, "step": "paired", "lost": number, "reasons": f"BASELINE NO_TISSUE {number}"}
                )
    tables["flow"] = rows


def _readers(tables: dict[str, Rows], who: list[tuple[str, str]], rng: np.random.Generator) -> None:
    for level in ("level", "change"):
        row = {
            "measure": "cd68_per_mm2",
            "rater_a": "machine",
            "rater_b": "anna",
            "level": level,
            "scale": "log",
        }
        tables["agreement"].append(
            {**row, "readings": len(who), "patients": 20, "icc": 0.91, "icc_low": 0.84, "icc_high": 0.95}
            | {"icc_class": "good", "bias": 0.05, "bias_ratio": 1.05, "loa_low": -0.35, "loa_high": 0.45}
            | {"loa_ratio_low": 0.7, "loa_ratio_high": 1.57, "ccc": 0.9, "ccc_low": 0.83, "ccc_high": 0.94}
        )
        for patient, tract in who:
            a = rng.normal(6.0 if level == "level" else -0.3, 0.4)
            b = a + rng.normal(0.05, 0.2)
            tables["agreement_pairs"].append(
                {
                    **row,
                    "patient": patient,
                    "tract": tract,
                    "timepoint": "V1",
                    "a": a,
                    "b": b,
                    "mean": (a + b) / 2,
                }
                | {"difference": b - a}
            )


def write_tables(out: Path, tables: dict[str, Rows], names: tuple[str, ...] = tuple(TABLES)) -> None:
    """Write tables as `histoquant study` lays them out; a column nobody filled is empty."""
    folder = out / "study"
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        frame = pd.DataFrame(tables[name], columns=TABLES[name].column_names)
        (folder / f"{name}.csv").write_bytes(csv_bytes(frame))
    (folder / "analysis.json").write_text(json.dumps({"seed": 1}))


def write_run(out: Path, slides: int = 0) -> None:
    """A finished run around the study: slide and biopsy tables and ``run.json``, without pictures."""
    rng = np.random.default_rng(3)
    rows = []
    for number in range(slides):
        marker = ("CD68", "CD20", "CD31")[number % 3]
        row = {"slide_id": f"S{number:03d}", "file": f"S{number:03d}.svs", "status": "OK", "marker": marker}
        row |= {"patient": f"P{number // 9 + 1:02d}", "tract": "T1", "timepoint": f"V{number // 3 % 3 + 1}"}
        row |= {
            "tissue_mm2": 4.2,
            "excluded_mm2": 0.3,
            "excluded_by_kind": "fold=0.1000;pen=0.2000",
            "mpp": 0.25,
        }
        row |= {"positive_per_mm2": 400.0, "positive_per_mm2_low": 370.0, "positive_per_mm2_high": 430.0}
        row |= {"threshold_elasticity": float(rng.normal(-0.8, 0.3)), "dab_threshold_od": 0.2}
        rows.append(row | {"stain_source": "slide", "threshold_source": "slide", "reason": "", "flags": ""})
    columns = list(rows[0]) if rows else ["slide_id", "file", "status", "marker", "reason", "flags"]
    out.mkdir(parents=True, exist_ok=True)
    (out / "slides.csv").write_bytes(csv_bytes(pd.DataFrame(rows, columns=columns)))
    (out / "biopsies.csv").write_bytes(csv_bytes(pd.DataFrame(columns=["patient", "tract", "timepoint"])))
    markers = {"CD68": {"name": "CD68", "compartment": "cytoplasm", "threshold_od": 0.2}}
    run = {
        "version": "0.1.0",
        "study": "Made-up study",
        "parameters": {"working_mpp_um": 0.5, "markers": markers},
    }
    (out / "run.json").write_text(json.dumps(run))
