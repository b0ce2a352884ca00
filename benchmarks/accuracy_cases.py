"""Counts of one image against its truth: phantom families, annotated and counted real images, sample slides.

Every function returns plain counts; shares are taken from pooled counts where they are shown.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from accuracy_cache import drawn
from baseline_nuclei import plain_nuclei
from matching import match_points
from numpy.typing import NDArray

import histoquant as hq
from histoquant.errors import SlideRefusedError
from histoquant.objects import Planes
from histoquant.phantoms import Family
from histoquant.phantoms.truth import Truth
from histoquant.phantoms.writer import write_slide
from histoquant.run.quantify import Quantified
from histoquant.slides import Slide, working_plane

# Bladder1 and Lung1 are assumed to be 0.25 um/px, hgsc_nest 0.5.
ANNOTATED = (
    ("ihc-annotated/Bladder1.png", "nuclear", 0.25),
    ("ihc-annotated/Lung1.png", "nuclear", 0.25),
    ("he-annotated/hgsc_nest.jpg", "HE", 0.5),
)
# Counts by other programs are no truth: shown for orientation.
COUNTED: tuple[tuple[str, str, float | None, str], ...] = (
    (
        "ki67-two-scanners/OS-2-vsi.ome.tif",
        "nuclear",
        None,
        "QuPath 0.3.2: 1353 cells, 13.5 % positive at 0.2",
    ),
    ("ihc-lymphoid/ROI_1.png", "CD20", 0.25, ""),
    ("ihc-lymphoid/ROI_7.png", "CD20", 0.25, ""),
    ("skimage immunohistochemistry (colon)", "cytoplasmic", 0.5, "comes with scikit-image"),
    ("he-annotated/OS-1-detail.ome.tif", "HE", None, "QuPath: 319 nuclei, StarDist: 331"),
    ("wsi/CMU-1-Small-Region.svs", "HE", None, ""),
    ("wsi/CMU-1-Small-Region-dicom", "HE", None, "the same tissue as the SVS"),
)
Points = NDArray[np.float64]
NONE = np.zeros((0, 2))


@contextmanager
def slide_of(rgb: NDArray[np.uint8], mpp: float) -> Iterator[Slide]:
    """Pixels as a slide file, read as a run would."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "slide.tif"
        write_slide(path, rgb, mpp)
        with hq.open_slide(path) as slide:
            yield slide


def points_um(table: pd.DataFrame, mpp: float) -> Points:
    """Centres given in pixels, as micrometres."""
    return np.asarray((table[["x_px", "y_px"]].to_numpy(np.float64) + 0.5) * mpp, np.float64)


def detection(true: Points, found: Points, faint: Points = NONE) -> dict[str, int]:
    """Nuclei found against true.

    A found nucleus within 6 um of a ``faint`` one, a shaving too thin to be asked for, is neither right nor
    wrong, unless it is on a true one; ``found_strict`` counts it.
    """
    wide = match_points(true, found, 6.0)
    left = np.setdiff1d(np.arange(len(found)), wide.found_index)
    forgiven = left[match_points(faint, found[left], 6.0).found_index]
    asked = found[np.setdiff1d(np.arange(len(found)), forgiven)]
    return {
        "true": len(true),
        "found": len(asked),
        "found_strict": len(found),
        "hits_6um": len(match_points(true, asked, 6.0).true_index),
        "hits_3um": len(match_points(true, asked, 3.0).true_index),
    }


def _compared(truth: pd.DataFrame, faint: Points, result: Quantified, mpp: float) -> dict[str, Any]:
    """Detection and classes; ``truth`` has x_px, y_px and positive, missing where there is no class."""
    true = points_um(truth, mpp)
    found = result.cells[["x_um", "y_um"]].to_numpy(np.float64)
    record: dict[str, Any] = {"nuclei": detection(true, found, faint)}
    # CD31 counts vessels and HE counts nuclei: no cell of theirs is called positive
    if len(truth) and truth["positive"].notna().all() and result.metrics["positive"] is not None:
        pairs = match_points(true, found, 6.0)
        is_positive = truth["positive"].to_numpy(int) == 1
        said = result.cells["positive"].to_numpy(np.float64) == 1
        same = is_positive[pairs.true_index] == said[pairs.found_index]
        record["classed"], record["right"] = len(same), int(same.sum())
        # the density a trial reads: where sheets hide nuclei it holds cells that area adds
        record["positive_true"] = int(is_positive.sum())
        record["positive_found"] = int(result.metrics["positive"])
        record["percent_found"] = result.metrics["positive_percent"]
    return record


def _plain(slide: Slide, result: Quantified) -> Points:
    """Nuclei by threshold, LoG and watershed on the same pixels, stain vectors and tissue, um."""
    plan, tissue = result._planned.plan, result._planned.tissue
    rgb, valid = working_plane(slide, plan.plane_mpp).read(0, 0, *plan.plane_size_px)
    planes = Planes.from_rgb(rgb, valid, plan.vectors, plan.white_point, plan.plane_mpp)
    found = plain_nuclei(planes, (plan.marker.nucleus_min_um2, plan.marker.nucleus_max_um2))
    found = found[tissue.contains(found[:, 0], found[:, 1])]
    return np.asarray((found + 0.5) * np.array(plan.plane_factor_xy) * np.array(plan.mpp_xy), np.float64)


def family_record(family: Family, seed: int = 1) -> dict[str, Any]:
    """One phantom family; ``refused`` holds the reason code where the slide is refused."""
    rgb, truth = drawn(
        family.marker, family.size_um, seed, family.appearance, family.artefacts, **family.scene
    )
    mpp = float(truth.summary["mpp"])
    record: dict[str, Any] = {"name": family.name, "marker": family.marker, "about": family.about}
    with slide_of(rgb, mpp) as slide:
        try:
            result = hq.quantify(slide, family.marker)
        except SlideRefusedError as refusal:
            return {**record, "refused": refusal.code}
        plain = _plain(slide, result)
    nuclei = truth.nuclei
    asked = (nuclei["visible"] == 1) & (nuclei["excluded"] == 0)
    faint = points_um(nuclei[~asked], mpp)
    record |= _compared(nuclei[asked], faint, result, mpp)
    record["plain"] = detection(points_um(nuclei[asked], mpp), plain, faint)
    return record | _areas(truth, result, stained=family.scene.get("stain", 1.0) > 0)


def _areas(truth: Truth, result: Quantified, *, stained: bool) -> dict[str, Any]:
    """Areas, vessels and aggregates, found and true; without stain there is no vessel to be found."""
    said, true = result.metrics, truth.summary
    record: dict[str, Any] = {
        "tissue": [said["tissue_mm2"], float(true["tissue_mm2"])],
        "excluded": [said["excluded_mm2"], float(true["excluded_mm2"])],
        "flags": list(result.flags),
        "threshold_od": result._planned.plan.threshold_od,
    }
    if said.get("vessels") is not None:
        lumen_um2 = (said.get("lumen_area_percent") or 0.0) / 100 * said["tissue_mm2"] * 1e6
        record["vessels"] = [int(said["vessels"]), int(true["vessels"]) if stained else 0]
        record["lumen_um2"] = [lumen_um2, float(true["lumen_area_um2"]) if stained else 0.0]
    if said.get("aggregates") is not None:
        record["aggregates"] = [int(said["aggregates"]), int(true["aggregates"]) if stained else 0]
    return record


def annotated_record(data: Path, file: str, marker: str, mpp: float) -> dict[str, Any]:
    """A real image with nuclei marked by people or a model."""
    truth = pd.read_csv((data / file).with_suffix(".csv"))
    with hq.open_slide(data / file, mpp=mpp) as slide:
        result = hq.quantify(slide, marker)
        plain = _plain(slide, result)
    record = _compared(truth, NONE, result, mpp)
    record["plain"] = detection(points_um(truth, mpp), plain)
    return {"name": Path(file).stem, "marker": marker, "flags": list(result.flags), **record}


def counted_record(data: Path, file: str, marker: str, mpp: float | None, note: str) -> dict[str, Any]:
    """A real image without marks: counts only."""
    if file.startswith("skimage"):
        from skimage.data import immunohistochemistry

        with slide_of(np.ascontiguousarray(immunohistochemistry()), mpp or 0.5) as slide:
            result = hq.quantify(slide, marker)
    else:
        with hq.open_slide(data / file, mpp=mpp) as slide:
            result = hq.quantify(slide, marker)
    keys = ("nuclei", "positive", "positive_percent", "tissue_mm2", "excluded_mm2", "excluded_by_kind")
    said = {key: result.metrics[key] for key in keys}
    return {"name": Path(file).name, "marker": marker, "note": note, "flags": list(result.flags), **said}


def sample_record(path: Path, truth: pd.Series) -> dict[str, Any]:
    """One of the sample slides, which `histoquant samples` drew."""
    with hq.open_slide(path) as slide:
        said = hq.quantify(slide, str(truth["marker"])).metrics
    column = "vessels" if truth["marker"] == "CD31" else "positive"
    return {
        "name": path.stem,
        "marker": str(truth["marker"]),
        "counted": [int(said[column]), int(truth[column])],
        "tissue": [said["tissue_mm2"], float(truth["tissue_mm2"])],
    }
