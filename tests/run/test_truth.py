"""Sample slides against their truth, and real images against what is known of them."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import histoquant as hq

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "sample_slides"
DATA = ROOT.parent / "shared" / "data"
sys.path.insert(0, str(ROOT / "benchmarks"))

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="real images are not beside this checkout")


def _metrics(name: str, marker: str) -> dict[str, float]:
    with hq.open_slide(SAMPLES / f"{name}.tif") as slide:
        return dict(hq.quantify(slide, marker=marker).metrics)


@pytest.mark.parametrize("name", ["P01_T1_V1", "P02_T1_V2"])
def test_sample_slides_give_their_truth_back(name: str):
    truth = pd.read_csv(SAMPLES / "truth" / "truth.csv").set_index("slide")
    for marker, column, share in (
        ("CD68", "positive", 0.10),
        ("CD20", "positive", 0.10),
        ("CD31", "vessels", 0.15),
    ):
        found, true = _metrics(f"{name}_{marker}", marker), truth.loc[f"{name}_{marker}.tif"]
        assert found[column] == pytest.approx(true[column], rel=share), marker
        assert found["tissue_mm2"] == pytest.approx(true["tissue_mm2"], rel=0.03), marker


@needs_data
def test_two_encodings_of_one_slide_agree():
    counts = []
    for file in ("CMU-1-Small-Region.svs", "CMU-1-Small-Region-dicom"):
        with hq.open_slide(DATA / "wsi" / file) as slide:
            counts.append(hq.quantify(slide, marker="HE").metrics["nuclei"])
    assert counts[0] == pytest.approx(counts[1], rel=0.01)


@needs_data
def test_ki67_share_lies_where_every_other_count_puts_it():
    with hq.open_slide(DATA / "ki67-two-scanners" / "OS-2-vsi.ome.tif") as slide:
        metrics = hq.quantify(slide, marker="nuclear").metrics
    assert 8 <= metrics["positive_percent"] <= 20


@needs_data
@pytest.mark.parametrize("name", ["Bladder1", "Lung1"])
def test_annotated_nuclei_are_found(name: str):
    from matching import match_points

    path = DATA / "ihc-annotated" / f"{name}.png"
    with hq.open_slide(path, mpp=0.25) as slide:
        cells = hq.quantify(slide, marker="nuclear").cells
    marked = (pd.read_csv(path.with_suffix(".csv"))[["x_px", "y_px"]].to_numpy() + 0.5) * 0.25
    assert match_points(marked, cells[["x_um", "y_um"]].to_numpy(np.float64), 6.0).f1 >= 0.80
