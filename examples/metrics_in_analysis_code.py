"""Quantify one slide from Python and look at the cells behind the number.

Run it as ``python examples/metrics_in_analysis_code.py sample_slides/P01_T1_V1_CD68.tif``.
"""

from __future__ import annotations

import sys

import histoquant as hq


def main(path: str) -> None:
    """Print a slide's main numbers and what a stricter threshold would do to them."""
    with hq.open_slide(path) as slide:
        result = hq.quantify(slide, marker="CD68")
    metrics = result.metrics
    print(f"{metrics['tissue_mm2']:.2f} mm2 of tissue, {metrics['nuclei']} nuclei")
    print(
        f"CD68+ cells: {metrics['positive_per_mm2']:.0f} per mm2 "
        f"({metrics['positive_per_mm2_low']:.0f} to {metrics['positive_per_mm2_high']:.0f})"
    )
    print(f"elasticity to the threshold: {metrics['threshold_elasticity']:.2f}")
    positive = result.cells[result.cells["positive"]]
    print(positive[["x_um", "y_um", "nucleus_area_um2", "cell_dab_od"]].describe().round(2))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "sample_slides/P01_T1_V1_CD68.tif")
