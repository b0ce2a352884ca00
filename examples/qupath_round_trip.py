"""Cells out to QuPath, a lumen drawn there back in, densities by distance from it.

Run it as ``python examples/qupath_round_trip.py sample_slides/P01_T1_V1_CD68.tif FOLDER``. The lumen is drawn
by this script where a person would draw it in QuPath and export it as GeoJSON.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import histoquant as hq
from histoquant.export import export_results
from histoquant.run.options import RunOptions
from histoquant.run.runner import run_slides


def main(slide: Path, folder: Path) -> None:
    """Print the densities in bands around a lumen in the middle of the tissue."""
    slides = folder / "slides"
    slides.mkdir(parents=True)
    copy = Path(shutil.copy(slide, slides))
    run_slides(RunOptions(slides=(slides,), out=folder / "before", workers=0))
    (cells,) = export_results(folder / "before", "geojson", folder / "for_qupath")
    features = json.loads(cells.read_text())["features"]
    print(f"{len(features)} objects for QuPath in {cells.name}")

    tissue = next(one for one in features if one["properties"]["classification"]["name"] == "Tissue")
    rings = tissue["geometry"]["coordinates"]
    corners = rings[0] if tissue["geometry"]["type"] == "Polygon" else rings[0][0]
    x = sum(point[0] for point in corners) / len(corners)
    y = sum(point[1] for point in corners) / len(corners)
    square = [[x + dx, y + dy] for dx, dy in ((-60, -60), (60, -60), (60, 60), (-60, 60), (-60, -60))]
    lumen = {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [square]},
        "properties": {"objectType": "annotation", "classification": {"name": "Lumen"}},
    }
    copy.with_suffix(".geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [lumen]}))
    run_slides(RunOptions(slides=(slides,), out=folder / "after", workers=0))
    results = hq.load_results(folder / "after")
    print(results.bands(results.slides["slide_id"].iloc[0]).to_string(index=False))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
