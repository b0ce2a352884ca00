"""A slide's density map: the array and its picture, from its object tables."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

from histoquant.metrics import Tissue
from histoquant.metrics.density_map import DensityMap, density_map
from histoquant.metrics.vessels import true_vessels
from histoquant.report import Caption
from histoquant.report.density_picture import draw_density
from histoquant.report.pictures import Part, png_parts
from histoquant.report.sizes import SHOWN_PX
from histoquant.report.thumbnail import Glance
from histoquant.run.assemble import SlideResult
from histoquant.run.plan import Planned


def density_files(
    glance: Glance, planned: Planned, result: SlideResult, caption: Caption
) -> dict[str, list[Part]]:
    """``density.png`` and ``density.npz`` in parts, of a marker that counts something; nothing for H&E."""
    counted = _counted(result)
    if counted is None:
        return {}
    x_um, y_um, what = counted
    density = density_map(x_um, y_um, Tissue.of(planned.tissue))
    named = "vessels" if what == "vessels" else f"{planned.plan.marker.name}+ cells"
    picture = draw_density(glance, density, caption, named)
    picture_parts = png_parts(picture, SHOWN_PX["density.png"])
    return {"density.png": picture_parts, "density.npz": [_npz_bytes(density)]}


def _counted(result: SlideResult) -> tuple[NDArray[np.float64], NDArray[np.float64], str] | None:
    """Places of the objects whose density is the marker's readout, and what they are."""
    if "vessel_id" in result.vessels:
        vessels = true_vessels(result.vessels)
        return vessels["x_um"].to_numpy(np.float64), vessels["y_um"].to_numpy(np.float64), "vessels"
    if not result.scored:
        return None
    # columns, not rows: with each row its outline would be copied
    positive = result.cells["positive"].to_numpy(bool)
    x_um, y_um = (result.cells[name].to_numpy(np.float64)[positive] for name in ("x_um", "y_um"))
    return x_um, y_um, "cells"


def _npz_bytes(density: DensityMap) -> bytes:
    """The arrays with their scale; the same bytes for the same map."""
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        per_mm2=density.per_mm2.astype(np.float32),
        tissue_share=density.tissue_share.astype(np.float32),
        um_per_px_xy=np.array([density.um_x, density.um_y]),
        bandwidth_um=np.array(density.bandwidth_um),
    )
    return buffer.getvalue()
