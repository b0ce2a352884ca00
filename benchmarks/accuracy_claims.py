"""What histoquant must show, each line with what was measured and whether it holds."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from accuracy_tables import (
    Detected,
    Record,
    class_accuracy,
    eye_scores,
    measured,
    paired,
    summed,
)
from numpy.typing import NDArray

Records = dict[str, list[Any]]
THREE = ("scanner A", "scanner B", "scanner C")
SCANS_THREE = ("as it is", "as scanner B", "as scanner C")


@dataclass(frozen=True)
class Claim:
    """One line; ``holds`` is None where nothing was measured."""

    asked: str
    measured: str
    holds: bool | None

    @property
    def verdict(self) -> str:
        """In words."""
        return {True: "holds", False: "**does not hold**", None: "not measured"}[self.holds]


def icc_agreement(found: NDArray[np.float64], true: NDArray[np.float64]) -> float:
    """ICC(A,1) of two raters over n fields (McGraw and Wong 1996).

    ``(MSR - MSE) / (MSR + (k-1) MSE + k (MSC - MSE) / n)`` with k = 2; NaN without variance.
    """
    values = np.stack([found, true], axis=1)
    n, k = values.shape
    grand, rows, columns = values.mean(), values.mean(axis=1), values.mean(axis=0)
    between_rows = k * ((rows - grand) ** 2).sum() / (n - 1)
    between_columns = n * ((columns - grand) ** 2).sum() / (k - 1)
    rest = values - rows[:, None] - columns[None, :] + grand
    error = (rest**2).sum() / ((n - 1) * (k - 1))
    below = between_rows + (k - 1) * error + k * (between_columns - error) / n
    return float((between_rows - error) / below) if below > 0 else float("nan")


def _detection(records: Records) -> list[Claim]:
    if "family" not in records:
        return []
    pooled = Detected.of(measured(records["family"]))
    plain = Detected.of(measured(records["family"]), "plain")
    claims = []
    for radius, share, other, least in (
        (6, pooled.f1_6um, plain.f1_6um, 0.92),
        (3, pooled.f1_3um, plain.f1_3um, 0.85),
    ):
        said = f"{share:.3f} (LoG + watershed {other:.3f})" if share and other else "–"
        claims.append(
            Claim(f"phantoms, all families pooled: F1 at {radius} µm ≥ {least}", said, _least(share, least))
        )
    return claims


def _least(value: float | None, least: float) -> bool | None:
    return None if value is None else value >= least


def _densities(records: Records) -> list[Claim]:
    """Density of CD68 and CD20 over all fields: bias of the pooled density and agreement over fields."""
    claims = []
    for marker in ("CD68", "CD20"):
        fields = [one for one in measured(records.get("family", [])) if one["marker"] == marker]
        if len(fields) < 3:
            continue
        area, true_area = paired(fields, "tissue")
        pooled = summed(fields, "positive_found") / area
        bias = 100 * (pooled / (summed(fields, "positive_true") / true_area) - 1)
        found = np.array([one["positive_found"] / one["tissue"][0] for one in fields])
        true = np.array([one["positive_true"] / one["tissue"][1] for one in fields])
        icc = icc_agreement(found, true)
        claims.append(Claim(f"{marker} positive density: bias within 5 %", f"{bias:+.1f} %", abs(bias) <= 5))
        asked = f"{marker} positive density: ICC(A,1) ≥ 0.95 over {len(fields)} fields"
        claims.append(Claim(asked, f"{icc:.3f}", icc >= 0.95))
    return claims


def _vessels(records: Records) -> list[Claim]:
    fields = [one for one in measured(records.get("family", [])) if "vessels" in one]
    claims = []
    for key, what in (("vessels", "vessel count"), ("lumen_um2", "lumen area")):
        found, true = paired(fields, key)
        if not true:
            continue
        bias = 100 * (found / true - 1)
        each = {one["name"]: 100 * (one[key][0] / one[key][1] - 1) for one in fields if one[key][1]}
        beyond = sum(abs(value) > 10 for value in each.values())
        worst = max(each, key=lambda name: abs(each[name]))
        told = f"{bias:+.1f} % pooled; beyond 10 % in {beyond} of {len(each)} fields"
        said = f"{told}, most {each[worst]:+.0f} % ({worst})"
        claims.append(Claim(f"CD31 {what} within 10 %", said, abs(bias) <= 10))
    return claims


def _annotated(records: Records) -> list[Claim]:
    fields = [one for one in records.get("annotated", []) if "percent_found" in one]
    if not fields:
        return []
    pooled, accuracy = Detected.of(fields), class_accuracy(fields)
    away = {
        one["name"]: one["percent_found"] - 100 * one["positive_true"] / one["nuclei"]["true"]
        for one in fields
    }
    said = ", ".join(f"{name} {value:+.1f}" for name, value in away.items())
    worst = max(map(abs, away.values()))
    return [
        Claim("annotated IHC: pooled F1 at 6 µm ≥ 0.85", f"{pooled.f1_6um:.3f}", _least(pooled.f1_6um, 0.85)),
        Claim("annotated IHC: class accuracy ≥ 0.95", f"{accuracy:.3f}", _least(accuracy, 0.95)),
        Claim("annotated IHC: % positive within 6 points on each field", said, worst <= 6),
    ]


def spread(several: list[Record]) -> tuple[float, float | None]:
    """Largest difference in nuclei, % of their mean, and in positive %, points (None without classes)."""
    nuclei = [one["nuclei"] for one in several]
    percents = [one["percent"] for one in several]
    wide = 100 * (max(nuclei) - min(nuclei)) / (sum(nuclei) / len(nuclei))
    return wide, None if None in percents else max(percents) - min(percents)


def scene_spreads(records: list[Record], looks: tuple[str, ...]) -> dict[str, tuple[float, float | None]]:
    """Spread of each phantom scene over the looks it was seen in."""
    by_scene: dict[str, list[Record]] = {}
    for one in records:
        if one["look"] in looks:
            by_scene.setdefault(f"{one['scene']}, seed {one['seed']}", []).append(one)
    return {scene: spread(several) for scene, several in by_scene.items() if len(several) == len(looks)}


def _scanners(records: Records) -> list[Claim]:
    claims = []
    scenes = scene_spreads(records.get("scanner", []), THREE)
    if scenes:
        classed = {name: both[1] for name, both in scenes.items() if both[1] is not None}
        nuclei = {name: both[0] for name, both in scenes.items()}
        for what, values, limit, unit in (
            ("positive % within 1 point", classed, 1.0, "points"),
            ("nuclei within 4 %", nuclei, 4.0, "%"),
        ):
            if not values:
                continue
            worst = max(values, key=lambda name: values[name])
            beyond = sum(value > limit for value in values.values())
            said = f"largest {values[worst]:.2f} {unit} ({worst}); beyond in {beyond} of {len(values)} scenes"
            claims.append(Claim(f"phantoms on three scanners: {what}", said, values[worst] <= limit))
    scans = {one["scan"]: one for one in records.get("scan", [])}
    if set(SCANS_THREE) <= set(scans):
        wide, points = spread([scans[name] for name in SCANS_THREE])
        all_wide, all_points = spread(list(scans.values()))
        if points is not None and all_points is not None:
            told = f"{points:.2f} points; over all {len(scans)} digitisations {all_points:.2f}"
            claims.append(Claim("OS-2 on three scanners: positive % within 1 point", told, points <= 1))
        told = f"{wide:.1f} %; over all {len(scans)} digitisations {all_wide:.1f} %"
        claims.append(Claim("OS-2 on three scanners: nuclei within 4 %", told, wide <= 4))
    return claims


def _eyes(records: Records) -> list[Claim]:
    claims = []
    for one in eye_scores(records["eyes"][0]) if "eyes" in records else []:
        if "lymphoid" not in one.name:
            continue
        said = f"recall {one.recall:.3f}, precision {one.precision:.3f}"
        asked = f"lymphocytes marked by eye ({one.marker} rule): recall ≥ 0.93 at precision ≥ 0.92"
        claims.append(Claim(f"{asked}, cells found", said, one.recall >= 0.93 and one.precision >= 0.92))
        recall, precision = one.positive_recall, one.positive_precision
        said = f"recall {recall:.3f}, precision {precision:.3f}"
        holds = recall >= 0.93 and precision >= 0.92
        claims.append(Claim(f"{asked}, found and called positive", said, holds))
    return claims


def responder_changes(records: list[Record]) -> dict[int, tuple[float, float, float]]:
    """By pair: change found and true in per cent, and the smaller tissue of its visits, mm2."""
    out = {}
    for pair in dict.fromkeys(one["pair"] for one in records):
        density, true, areas = {}, {}, []
        for visit in ("baseline", "follow-up"):
            several = [one for one in records if (one["pair"], one["visit"]) == (pair, visit)]
            if several:
                areas.append(summed(several, "tissue_mm2"))
                density[visit] = summed(several, "counted") / areas[-1]
                true[visit] = summed(several, "true") / summed(several, "true_mm2")
        if len(areas) == 2:
            change, real = (100 * (d["follow-up"] / d["baseline"] - 1) for d in (density, true))
            out[pair] = change, real, min(areas)
    return out


def _responders(records: Records) -> list[Claim]:
    changes = responder_changes(records.get("responder", []))
    if not changes or min(mm2 for _, _, mm2 in changes.values()) < 2.5:
        return []
    said = "; ".join(f"{found:+.1f} % of {true:+.1f} %" for found, true, _ in changes.values())
    worst = max(abs(found - true) for found, true, _ in changes.values())
    asked = f"fall of 30 % in CD68 found within 5 points, {len(changes)} pairs of 2.5 mm² and more"
    return [Claim(asked, f"{said}; largest difference {worst:.1f} points", worst <= 5)]


def negative_shares(records: Records) -> list[tuple[str, str, str, str, float | None, float | None]]:
    """Slides with nothing to find: kind, marker, what, seen as, per mm2, % of the positive control."""
    controls = {one["marker"]: one["per_mm2"] for one in records.get("control", [])}
    rows: list[tuple[str, str, str, str, float | None, float | None]] = []
    for one in records.get("pure", []):
        if one["refused"]:
            rows.append(("pure", one["marker"], one["kind"], f"refused: {one['refused']}", None, None))
        elif one["marker"] in controls:
            share = 100 * one["positive_per_mm2"] / controls[one["marker"]]["plain"]
            seen = f"{one['tissue_mm2']:.4f} mm² taken for tissue"
            rows.append(("pure", one["marker"], one["kind"], seen, one["positive_per_mm2"], share))
    for one in records.get("negative", []):
        if one["marker"] in controls:
            per_mm2 = one["counted"] / one["tissue_mm2"]
            share = 100 * per_mm2 / controls[one["marker"]][one["look"]]
            what = one["control"].partition(", ")[2]
            rows.append(("stained little", one["marker"], what, one["look"], per_mm2, share))
    families = {one["name"]: one for one in measured(records.get("family", []))}
    for name, one in families.items():
        base = families.get(name.replace("negative-control", "normal"))
        if re.search("negative-control$", name) and base:
            density, normal = (
                (f["vessels"][0] if "vessels" in f else f["positive_found"]) / f["tissue"][0]
                for f in (one, base)
            )
            rows.append(("family", one["marker"], name, "", density, 100 * density / normal))
    return rows


def _negatives(records: Records) -> list[Claim]:
    # a tenth of the stain is no negative control, and tissue without macrophages is not unstained
    asked = [row for row in negative_shares(records) if row[0] != "stained little" or row[2] == "no stain"]
    if not asked:
        return []
    shares = [(row[5], f"{row[1]} {row[2]} {row[3]}".strip()) for row in asked if row[5] is not None]
    worst, where = max(shares, default=(0.0, "all refused"))
    beyond = sum(share > 2 for share, _ in shares)
    refused = sum(row[5] is None for row in asked)
    told = f"largest {worst:.1f} % ({where}); beyond in {beyond} of {len(asked)} slides, {refused} refused"
    what = "blank glass, negative control, pure artefact: positives per mm² ≤ 2 % of the positive control's"
    return [Claim(what, told, worst <= 2)]


def must_show(records: Records) -> list[Claim]:
    """Every line, in the order of the project's goals."""
    parts: tuple[Callable[[Records], list[Claim]], ...] = (
        _detection, _densities, _vessels, _annotated, _scanners, _eyes, _responders, _negatives,
    )  # fmt: skip
    return [claim for part in parts for claim in part(records)]
