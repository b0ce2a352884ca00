"""How fast napari draws what was counted: opening, recolouring and panning over a slide of many cells.

``python benchmarks/viewer.py`` under a screen, ``xvfb-run -a python benchmarks/viewer.py``
for software rendering. Cells are crosses 8 um across on a jittered grid; the picture below them is
computed, so that no disk takes part. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from typing import Any

import dask.array as da
import numpy as np

MPP_UM = 0.5
SPACING_PX = 24
STEPS = 60


def made(cells: int) -> tuple[Any, Any, tuple[int, int]]:
    """Outlines, optical densities and the size of the plane."""
    from histoquant.export.object_rings import ObjectRings

    rng = np.random.default_rng(1)
    side = int(np.ceil(np.sqrt(cells)))
    row, column = np.divmod(np.arange(cells), side)
    middle = np.column_stack([column, row]) * SPACING_PX + SPACING_PX // 2 + rng.integers(-3, 4, (cells, 2))
    # a cross of pixel edges, as outlines are traced along pixels
    shape = np.array(
        [
            [-4, -8],
            [4, -8],
            [4, -4],
            [8, -4],
            [8, 4],
            [4, 4],
            [4, 8],
            [-4, 8],
            [-4, 4],
            [-8, 4],
            [-8, -4],
            [-4, -4],
        ]
    )
    corners = (middle[:, None] + shape).reshape(-1, 2).astype(np.int32)
    offsets = np.arange(cells + 1, dtype=np.int64) * len(shape)
    owner = np.arange(1, cells + 1, dtype=np.int32)
    return ObjectRings(offsets, corners, owner), rng.gamma(1.5, 0.1, cells), (side * SPACING_PX,) * 2


def measure(cells: int) -> dict[str, Any]:
    """Seconds of opening, recolouring and frames of a pan."""
    import napari
    from qtpy.QtWidgets import QApplication

    from histoquant.report.palette import NEGATIVE, POSITIVE
    from histoquant.viewer.class_picture import ClassPicture
    from histoquant.viewer.layers import add_layers
    from histoquant.viewer.slide_levels import CHUNK_PX
    from histoquant.viewer.slide_overlay import classes_of, picture_layer

    rings, dab_od, size_px = made(cells)
    viewer = napari.Viewer()
    viewer.window.resize(1400, 950)
    QApplication.processEvents()
    canvas = viewer.window._qt_viewer.canvas

    def frame() -> float:
        begun = time.perf_counter()
        QApplication.processEvents()
        canvas.native.grabFramebuffer() if hasattr(canvas.native, "grabFramebuffer") else canvas.screenshot()
        return time.perf_counter() - begun

    background = [
        da.full((-(-size_px[1] // s), -(-size_px[0] // s), 3), 220, np.uint8, chunks=CHUNK_PX)
        for s in (1, 4, 16)
    ]
    viewer.add_image(background, rgb=True, multiscale=True, scale=(MPP_UM, MPP_UM), contrast_limits=(0, 255))
    frame()
    classes = classes_of(dab_od >= 0.2)
    begun = time.perf_counter()
    levels = ClassPicture.levels(rings, classes, size_px, outline_px=1)
    (layer,) = add_layers(
        viewer, [picture_layer("cells", levels, {1: NEGATIVE, 2: POSITIVE}, (MPP_UM, MPP_UM))]
    )
    frame()
    opened_s = time.perf_counter() - begun
    recoloured_s = []
    for threshold_od in np.linspace(0.1, 0.4, 10):
        begun = time.perf_counter()
        classes[:] = classes_of(dab_od >= threshold_od)
        layer.refresh(thumbnail=False, extent=False)
        frame()
        recoloured_s.append(time.perf_counter() - begun)
    viewer.camera.zoom = 2.0
    frame()
    panned_s = []
    for step in range(STEPS):
        viewer.camera.center = (size_px[1] * MPP_UM / 2, (100 + step * 40) % (size_px[0] * MPP_UM))
        panned_s.append(frame())
    viewer.close()
    return {
        "cells": cells,
        "load_average": os.getloadavg()[0],
        "opened_s": opened_s,
        "recoloured_s_median": float(np.median(recoloured_s)),
        "recoloured_s_highest": max(recoloured_s),
        "frame_s_median": float(np.median(panned_s)),
        "frame_s_highest": max(panned_s),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, nargs="+", default=[300_000])
    for cells in parser.parse_args().cells:
        print(json.dumps(measure(cells), indent=1), flush=True)


if __name__ == "__main__":
    main()
