"""A plain nucleus finder beside ours: Laplacian of Gaussian seeds and a watershed, as tutorials build it.

Both see the same pixels at the same working resolution and the same stain vectors and white point, both are
matched the same way. The plain one thresholds the darkness of haematoxylin and DAB by Otsu, as is customary,
and keeps objects of the same areas. Real images are left out where absent.

    python benchmarks/baseline_nuclei.py [--data FOLDER] [--quick] [--seed N]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matching import match_points
from numpy.typing import NDArray
from scipy.ndimage import gaussian_laplace
from skimage.feature import peak_local_max
from skimage.filters import gaussian, threshold_otsu
from skimage.measure import regionprops_table
from skimage.morphology import disk, opening, remove_small_holes
from skimage.segmentation import watershed

import histoquant as hq
from histoquant.errors import SlideRefusedError
from histoquant.objects import Planes
from histoquant.phantoms import families
from histoquant.phantoms.writer import write_slide
from histoquant.run.job import RunParameters
from histoquant.run.options import marker_with
from histoquant.run.plan import Planned, plan_of
from histoquant.slides import Slide, working_plane

ANNOTATED = (
    ("ihc-annotated/Bladder1.png", "nuclear", 0.25),
    ("ihc-annotated/Lung1.png", "nuclear", 0.25),
    ("he-annotated/hgsc_nest.jpg", "HE", 0.5),
)
# A lymphocyte's radius: LoG answers most to discs of sigma times the root of two.
NUCLEUS_RADIUS_UM = 3.0
SMOOTHING_UM = 0.75
# Seeds closer than half a small nucleus are one nucleus.
SEED_DISTANCE_UM = 2.5
Points = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """One image: what is true, what may be found without being asked for, and what two methods found, um."""

    name: str
    true: Points
    faint: Points
    ours: Points
    plain: Points


def plain_nuclei(planes: Planes, area_um2: tuple[float, float]) -> Points:
    """Centroids of nuclei by Otsu threshold, LoG seeds and watershed.

    Parameters
    ----------
    planes : Planes
    area_um2 : tuple of float
        Least and largest area kept.

    Returns
    -------
    ndarray of float64, shape (n, 2)
        (x, y) in plane pixels.
    """
    # haematoxylin and DAB weigh alike: the darkness of a nucleus, whichever stain makes it
    dark = np.maximum(planes.hematoxylin, 0) / 1000.0 + np.maximum(planes.dab, 0) / 1000.0
    smooth = gaussian(dark, SMOOTHING_UM / planes.mpp)
    mask = opening(smooth > threshold_otsu(smooth), disk(max(1, round(0.5 / planes.mpp))))
    mask = remove_small_holes(mask, max_size=round(area_um2[0] / planes.mpp**2))
    sigma = NUCLEUS_RADIUS_UM / np.sqrt(2.0) / planes.mpp
    blob = -gaussian_laplace(dark, sigma)
    distance = max(1, round(SEED_DISTANCE_UM / planes.mpp))
    seeds = peak_local_max(blob, min_distance=distance, threshold_abs=0.0, labels=mask.astype(int))
    markers = np.zeros(mask.shape, np.int32)
    markers[tuple(seeds.T)] = np.arange(1, len(seeds) + 1)
    labels = watershed(-blob, markers, mask=mask)
    table = regionprops_table(labels, properties=("area", "centroid"))
    area = table["area"] * planes.mpp**2
    kept = (area >= area_um2[0]) & (area <= area_um2[1])
    return np.column_stack([table["centroid-1"], table["centroid-0"]])[kept]


def _both(slide: Slide, marker: str) -> tuple[Points, Points]:
    """Nuclei in quantifiable tissue, (x, y) in um, by us and by the plain method."""
    ours = hq.quantify(slide, marker).cells[["x_um", "y_um"]].to_numpy(np.float64)
    parameters = RunParameters()
    planned = plan_of(slide, marker_with(marker, {}), parameters.working_mpp_um)
    planes = _planes(slide, planned, parameters)
    definition = planned.plan.marker
    found = plain_nuclei(planes, (definition.nucleus_min_um2, definition.nucleus_max_um2))
    found = found[planned.tissue.contains(found[:, 0], found[:, 1])]
    scale = np.array(planned.plan.plane_factor_xy) * np.array(planned.plan.mpp_xy)
    return ours, (found + 0.5) * scale


def _planes(slide: Slide, planned: Planned, parameters: RunParameters) -> Planes:
    plan = planned.plan
    rgb, valid = working_plane(slide, parameters.working_mpp_um).read(0, 0, *plan.plane_size_px)
    return Planes.from_rgb(rgb, valid, plan.vectors, plan.white_point, plan.plane_mpp)


def _points(table: pd.DataFrame, mpp: float) -> Points:
    return np.asarray((table[["x_px", "y_px"]].to_numpy(np.float64) + 0.5) * mpp, dtype=np.float64)


def phantom_cases(every: int, seed: int) -> Iterator[Case]:
    """Every n-th phantom family that is not refused."""
    for family in families()[::every]:
        rgb, truth = family.render(seed)
        mpp = float(truth.summary["mpp"])
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{family.name}.tif"
            write_slide(path, rgb, mpp)
            try:
                with hq.open_slide(path) as slide:
                    ours, plain = _both(slide, family.marker)
            except SlideRefusedError:
                continue
        asked = (truth.nuclei["visible"] == 1) & (truth.nuclei["excluded"] == 0)
        faint = _points(truth.nuclei[~asked], mpp)
        yield Case(family.name, _points(truth.nuclei[asked], mpp), faint, ours, plain)


def annotated_cases(data: Path) -> Iterator[Case]:
    """Real images with nuclei marked by people or a model."""
    for file, marker, mpp in ANNOTATED:
        truth = pd.read_csv((data / file).with_suffix(".csv"))
        with hq.open_slide(data / file, mpp=mpp) as slide:
            yield Case(Path(file).stem, _points(truth, mpp), np.zeros((0, 2)), *_both(slide, marker))


def score(case: Case, found: Points) -> tuple[int, int, int, int]:
    """True, found, and pairs within 6 and 3 um; what lies on faint nuclei is neither right nor wrong."""
    left = np.setdiff1d(np.arange(len(found)), match_points(case.true, found, 6.0).found_index)
    forgiven = left[match_points(case.faint, found[left], 6.0).found_index]
    asked = found[np.setdiff1d(np.arange(len(found)), forgiven)]
    wide, close = (len(match_points(case.true, asked, radius).true_index) for radius in (6.0, 3.0))
    return len(case.true), len(asked), wide, close


def _line(name: str, ours: NDArray[np.int64], plain: NDArray[np.int64]) -> str:
    cells = [name, str(ours[0])]
    for true, found, wide, close in (ours, plain):
        cells += [str(found), *(f"{2 * pairs / max(1, true + found):.3f}" for pairs in (wide, close))]
    return "| " + " | ".join(cells) + " |"


def report(title: str, cases: Iterator[Case]) -> None:
    """Print a row per case and one of counts pooled."""
    totals = np.zeros((2, 4), np.int64)
    for case in cases:
        rows = np.array([score(case, case.ours), score(case, case.plain)])
        totals += rows
        print(_line(case.name, rows[0], rows[1]), flush=True)
    print(_line(f"**{title}, pooled**", totals[0], totals[1]), flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=default, help="real images; left out where absent")
    parser.add_argument("--quick", action="store_true", help="every sixth phantom family")
    parser.add_argument("--seed", type=int, default=1, help="of the phantoms; accuracy.py uses 1")
    options = parser.parse_args()
    print("| image | nuclei true | found, ours | F1 6 µm | F1 3 µm | found, plain | F1 6 µm | F1 3 µm |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    report("phantoms", phantom_cases(6 if options.quick else 1, options.seed))
    if options.data.is_dir():
        report("annotated", annotated_cases(options.data))


if __name__ == "__main__":
    main()
