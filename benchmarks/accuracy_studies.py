"""What one image cannot show: one tissue on several scanners, slides with nothing on them, a fall, shifts.

Every function returns plain counts of one unit of work; `accuracy_page` compares them.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import eyes
import numpy as np
import scanners
from accuracy_cache import drawn, kept
from accuracy_cases import slide_of
from artefacts import only
from artefacts import quantified as outcome_of
from numpy.typing import NDArray

import histoquant as hq
from histoquant.markers.definition import MarkerDefinition
from histoquant.phantoms import APPEARANCES, Appearance, Responder
from histoquant.phantoms.camera import compressed
from histoquant.run.job import RunParameters
from histoquant.run.options import marker_with
from histoquant.run.quantify import Quantified
from histoquant.slides import working_plane
from histoquant.stains import white_point
from histoquant.tiling.survey import survey

Rgb = NDArray[np.uint8]
SCENES = {name: (marker, scene) for name, marker, scene in scanners.SCENES}
LOOKS = dict(scanners.looks())
SCANS = {scan.name: scan for scan in scanners.SCANS}
NEGATIVES = {f"{marker}, {control}": (marker, scene) for marker, control, scene in scanners.NEGATIVES}
_BASE = {name: scene for name, (marker, scene) in SCENES.items() if name == marker}


def _quantified(rgb: Rgb, mpp: float, marker: str | MarkerDefinition, **parameters: float) -> Quantified:
    with slide_of(rgb, mpp) as slide:
        return hq.quantify(slide, marker, parameters=RunParameters.model_validate(parameters))


def _counts(result: Quantified) -> dict[str, Any]:
    said = result.metrics
    vessels = said.get("vessels")
    return {
        "nuclei": said["nuclei"],
        "percent": said["positive_percent"],
        "counted": said["positive"] if vessels is None else vessels,
        "tissue_mm2": said["tissue_mm2"],
        "threshold_od": result._planned.plan.threshold_od,
    }


def scanner_record(scene: str, seed: int, look: str) -> dict[str, Any]:
    """One phantom scene on one virtual scanner or in one strength of stain."""
    marker, spec = SCENES[scene]
    rgb, truth = drawn(marker, scanners.SIZE_UM, seed, LOOKS[look], **spec)
    result = _quantified(rgb, float(truth.summary["mpp"]), marker)
    seen = truth.nuclei[(truth.nuclei["visible"] == 1) & (truth.nuclei["excluded"] == 0)]
    true = truth.summary["vessels"] if marker == "CD31" else int((seen["positive"] == 1).sum())
    said = {"nuclei_true": len(seen), "counted_true": int(true)}
    return {"scene": scene, "seed": seed, "look": look, "marker": marker, **_counts(result), **said}


def scan_record(path: Path, scan: str) -> dict[str, Any]:
    """A real image as another scanner would show it."""
    with hq.open_slide(path) as slide:
        mpp = slide.mpp_xy[0]
        full = working_plane(slide, mpp)
        rgb, _ = full.read(0, 0, *full.size_px)
        white = white_point(survey(full)).rgb
    return {"scan": scan, **_counts(_quantified(*SCANS[scan].of(rgb, mpp, white), "nuclear"))}


def eyes_records(data: Path) -> list[dict[str, Any]]:
    """Images marked by eye, each with every rule it is scored for."""
    return [asdict(one) for one, _ in eyes.eye_scores(data)]


def _hazy(look: str) -> Appearance:
    hazy = replace(APPEARANCES["normal"], name="hazy", haze_od=0.06)
    return hazy if look == "scanner A" else hazy.with_scanner(LOOKS[look].scanner)


def control_record(marker: str) -> dict[str, Any]:
    """The marker's positive control, by which negative slides are measured: one per look."""
    densities = {}
    for look in ("plain", "scanner A", "scanner B", "scanner C"):
        appearance = APPEARANCES["normal"] if look == "plain" else _hazy(look)
        rgb, truth = drawn(marker, scanners.SIZE_UM, 1, appearance, **_BASE[marker])
        densities[look] = _quantified(rgb, float(truth.summary["mpp"]), marker).metrics["positive_per_mm2"]
    return {"marker": marker, "per_mm2": densities}


def negative_record(name: str, look: str) -> dict[str, Any]:
    """A slide with little or nothing to find, in haze, on one scanner."""
    marker, change = NEGATIVES[name]
    rgb, truth = drawn(marker, scanners.SIZE_UM, 1, _hazy(look), **{**_BASE[marker], **change})
    said = _counts(_quantified(rgb, float(truth.summary["mpp"]), marker))
    return {"marker": marker, "control": name, "look": look, "true": truth.summary["positive"], **said}


def pure_record(marker: str, kind: str) -> dict[str, Any]:
    """A slide without tissue: clear glass, ink, bubbles, debris or the edge of the coverslip."""
    strewn = () if kind == "glass" else only(kind)
    rgb, truth = drawn(marker, 800.0, 1, APPEARANCES["normal"], strewn, fragments=-1)
    found = outcome_of(rgb, float(truth.summary["mpp"]), marker)
    if found.metrics is None:
        return {"marker": marker, "kind": kind, "refused": found.refused}
    said = {key: found.metrics[key] for key in ("tissue_mm2", "positive_per_mm2")}
    return {"marker": marker, "kind": kind, "refused": "", **said}


RESPONDERS = (1, 2, 3)
RESPONDER_FIELDS = 4
RESPONDER_UM = 800.0


def responder_record(pair: int, number: int, visit: str) -> dict[str, Any]:
    """One field of a virtual responder whose CD68 falls by 30 %; four fields are 2.56 mm2."""
    mm2 = (RESPONDER_UM / 1000) ** 2
    responder = Responder("CD68", area_mm2=mm2, field_um=RESPONDER_UM, seed=pair * 100 + number)
    rgb, truth = kept(f"{responder!r} {visit}", lambda: next(responder.fields(visit)))
    said = _counts(_quantified(rgb, float(truth.summary["mpp"]), "CD68"))
    true = {"true": int(truth.summary["positive"]), "true_mm2": float(truth.summary["tissue_mm2"])}
    return {"pair": pair, "visit": visit, **said, **true}


_NORMAL = APPEARANCES["normal"]
_LENS = _NORMAL.scanner
_FINE = replace(_NORMAL, scanner=replace(_LENS, name="A-fine", mpp=0.25))
DRAWN: dict[str, Appearance] = {
    "DAB -10 %": replace(_NORMAL, second_gain=0.9),
    "DAB +10 %": replace(_NORMAL, second_gain=1.1),
    "haematoxylin -10 %": replace(_NORMAL, hematoxylin_gain=0.9),
    "haematoxylin +10 %": replace(_NORMAL, hematoxylin_gain=1.1),
    "blur 0.5 um": replace(_NORMAL, scanner=replace(_LENS, blur_um=0.5)),
    "blur 0.75 um": replace(_NORMAL, scanner=replace(_LENS, blur_um=0.75)),
    "blur 1.0 um": replace(_NORMAL, scanner=replace(_LENS, blur_um=1.0)),
    "fine scan at 0.5 um/px": _FINE,
    "fine scan at 0.25 um/px": _FINE,
    "fine scan at 1.0 um/px": _FINE,
}
SHIFTS = (
    "as it is",
    "threshold -20 %",
    "threshold +20 %",
    *DRAWN,
    *(f"JPEG quality {quality}" for quality in (90, 75, 50, 30)),
)
SENSITIVITY_SEEDS = (1, 2)


def shift_record(marker: str, shift: str, seed: int) -> dict[str, Any]:
    """A marker's normal scene with one thing shifted."""
    size_um = 600.0
    rgb, truth = drawn(marker, size_um, seed, DRAWN.get(shift, _NORMAL), **_BASE[marker])
    mpp = float(truth.summary["mpp"])
    definition: str | MarkerDefinition = marker
    parameters: dict[str, float] = {}
    if shift.startswith("JPEG"):
        rgb = compressed(rgb, int(shift.split()[-1]))
    elif shift.startswith("threshold"):
        factor = 0.8 if "-" in shift else 1.2
        at_od = _counts(_quantified(rgb, mpp, marker))["threshold_od"]
        definition = marker_with(marker, {"threshold_od": str(round(factor * at_od, 3))})
    elif shift.startswith("fine"):
        parameters["working_mpp_um"] = float(shift.split()[-2])
    result = _quantified(rgb, mpp, definition, **parameters)
    true = truth.summary["vessels" if marker == "CD31" else "positive"]
    said = {"true": int(true), "true_mm2": float(truth.summary["tissue_mm2"])}
    lumen = result.metrics.get("lumen_area_percent")
    return {"marker": marker, "shift": shift, "seed": seed, "lumen_percent": lumen, **_counts(result), **said}
