"""Sample data of the napari plug-in: synthetic biopsies with everything that is counted on real ones."""

from __future__ import annotations

import tempfile
from pathlib import Path

from histoquant.viewer.reader import results_layers
from histoquant.viewer.slide_overlay import Layer

FIELD_UM = 500.0


def sample(marker: str) -> list[Layer]:
    """Draw a synthetic field, quantify it, and show both.

    Parameters
    ----------
    marker : str
        ``CD68``, ``CD20`` or ``CD31``.
    """
    from histoquant.phantoms import render_field
    from histoquant.phantoms.writer import write_slide
    from histoquant.run.options import RunOptions
    from histoquant.run.runner import run_slides

    folder = Path(tempfile.mkdtemp(prefix="histoquant-sample-"))
    rgb, truth = render_field(marker, FIELD_UM, seed=1)
    name = f"P01_T1_V1_{marker}"
    write_slide(folder / f"{name}.tif", rgb, float(truth.summary["mpp"]))
    run_slides(RunOptions(slides=(folder / f"{name}.tif",), out=folder / "results", workers=0))
    return results_layers(folder / "results", name, folder)


def cd68() -> list[Layer]:
    """Macrophages."""
    return sample("CD68")


def cd20() -> list[Layer]:
    """B cells."""
    return sample("CD20")


def cd31() -> list[Layer]:
    """Vessels."""
    return sample("CD31")
