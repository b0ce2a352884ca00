"""The truth tables of a phantom slide, taken from the scene and never from pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histoquant.phantoms.appearance import Appearance
from histoquant.phantoms.artefacts import Artefact
from histoquant.phantoms.bodies import profiles
from histoquant.phantoms.cells import CELL_TYPES
from histoquant.phantoms.scene import Scene, stained_somas
from histoquant.phantoms.structures import VESSEL_KINDS
from histoquant.phantoms.tissue import GRID_UM, mask_on
from histoquant.phantoms.tubes import measure_tubes

AREA_STEP_UM = 1.0  # grid on which tissue and excluded areas are counted


@dataclass(frozen=True)
class Truth:
    """Exact content of one phantom slide; pixels are level 0, from the slide's top-left corner.

    Attributes
    ----------
    nuclei : DataFrame
        x_px, y_px (centre of the nuclear profile), cell_type, positive (0/1), area_um2, path_um, marker_od,
        visible, excluded (0/1; under an artefact that excludes). ``positive`` marks a cell of the stained
        type whose section carries at least `paint.POSITIVE_OD` of marker (``marker_od``); count
        ``positive & visible & ~excluded``.
    vessels : DataFrame
        x_px, y_px, lumen_area_um2, endothelial_area_um2, diameter_um, kind, excluded.
    aggregates : DataFrame
        x_px, y_px, area_um2, cells (visible B cells inside).
    extras : DataFrame
        x_px, y_px, area_um2, kind, excluded: stained bodies that must not be counted as cells or vessels:
        ``fragment`` (no visible nucleus) and ``nonvascular`` (CD31-stained round cells).
    summary : dict
        One row of truth.csv without the slide's name.
    """

    nuclei: pd.DataFrame
    vessels: pd.DataFrame
    aggregates: pd.DataFrame
    extras: pd.DataFrame
    summary: dict[str, float | int | str]


def tissue_masks(
    scene: Scene, artefacts: tuple[Artefact, ...], step_um: float = AREA_STEP_UM
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return masks (tissue, artefact) sampled every ``step_um``, shape (h, w)."""
    cols, rows = (round(side / step_um) for side in scene.spec.size_um)
    tissue = mask_on(scene.ground.level_um, scene.ground.seed, rows, cols, step_um)
    x = (np.arange(cols)[None, :] + 0.5) * step_um
    y = (np.arange(rows)[:, None] + 0.5) * step_um
    bad = np.zeros((rows, cols), np.bool_)
    for artefact in artefacts:
        if artefact.excludes:
            bad |= artefact.covers(x, y)
    return tissue, bad


def tell_truth(
    scene: Scene, appearance: Appearance, artefacts: tuple[Artefact, ...] = (), stained_um2: float = 0.0
) -> Truth:
    """Write down what a slide holds.

    Parameters
    ----------
    scene, appearance, artefacts
        As given to `render.render`.
    stained_um2 : float
        Stained area `render.render` reports.
    """
    mpp = appearance.scanner.mpp
    nuclei = _nuclei(scene, artefacts, mpp)
    vessels = _vessels(scene, artefacts, mpp)
    aggregates = _aggregates(scene, mpp)
    tissue, bad = tissue_masks(scene, artefacts)
    counted = (nuclei["visible"] == 1) & (nuclei["excluded"] == 0)
    area_mm2 = float((tissue & ~bad).sum()) * AREA_STEP_UM**2 * 1e-6
    positive = int((counted & (nuclei["positive"] == 1)).sum())
    seen = vessels[vessels["excluded"] == 0]
    vectors = appearance.vectors(scene.spec.marker)
    summary: dict[str, float | int | str] = {
        "marker": scene.spec.marker,
        "tissue_mm2": round(area_mm2, 6),
        "excluded_mm2": round(float((tissue & bad).sum()) * AREA_STEP_UM**2 * 1e-6, 6),
        "nuclei": int(counted.sum()),
        "positive": positive,
        "positive_per_mm2": round(positive / area_mm2, 3) if area_mm2 > 0 else "",
        "vessels": len(seen),
        "lumen_area_um2": round(float(seen["lumen_area_um2"].sum()), 2),
        "aggregates": len(aggregates),
        "stained_area_percent": round(stained_um2 / area_mm2 * 1e-4, 4) if area_mm2 > 0 else "",
        "mpp": mpp,
        "appearance": appearance.name,
        "scanner": appearance.scanner.name,
        "artefacts": " ".join(a.kind for a in artefacts),
    }
    for name, value in zip(("red", "green", "blue"), appearance.white_point, strict=True):
        summary[f"white_{name}"] = round(value, 3)
    for stain, row in zip(("hematoxylin", "second", "pigment"), vectors, strict=True):
        for name, value in zip(("red", "green", "blue"), row, strict=True):
            summary[f"{stain}_{name}"] = round(float(value), 5)
    return Truth(nuclei, vessels, aggregates, _extras(scene, artefacts, mpp), summary)


def _under(
    artefacts: tuple[Artefact, ...], x: NDArray[np.float64], y: NDArray[np.float64]
) -> NDArray[np.int64]:
    out = np.zeros(len(x), np.bool_)
    for artefact in artefacts:
        out |= artefact.covers(x, y)
    return out.astype(np.int64)


def _on_slide(scene: Scene, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
    width, height = scene.spec.size_um
    return np.asarray((x >= 0.0) & (y >= 0.0) & (x < width) & (y < height))


def _sorted(table: pd.DataFrame) -> pd.DataFrame:
    return table.sort_values(["y_px", "x_px"], kind="stable").reset_index(drop=True)


def _nuclei(scene: Scene, artefacts: tuple[Artefact, ...], mpp: float) -> pd.DataFrame:
    x, y, area, path = scene.nuclei.T
    table = pd.DataFrame(
        {
            "x_px": np.round(x / mpp, 1),
            "y_px": np.round(y / mpp, 1),
            "cell_type": np.array(CELL_TYPES)[scene.cells["type"]],
            "positive": scene.cells["positive"].astype(np.int64),
            "area_um2": np.round(area, 1),
            "path_um": np.round(path, 2),
            "marker_od": np.round(scene.marker_od, 3),
            "visible": scene.visible.astype(np.int64),
            "excluded": _under(artefacts, x, y),
        }
    )
    return _sorted(table[_on_slide(scene, x, y) & (area > 0.0)])


def _vessels(scene: Scene, artefacts: tuple[Artefact, ...], mpp: float) -> pd.DataFrame:
    chosen = np.array([name in VESSEL_KINDS for name in scene.names], dtype=bool)
    x, y, lumen, wall = measure_tubes(scene.tubes[chosen], scene.nodes).T
    # diameter of the disc with the vessel's outer area: defined for slits and sprouts too
    diameter = 2.0 * np.sqrt((lumen + wall) / np.pi)
    table = pd.DataFrame(
        {
            "x_px": np.round(x / mpp, 1),
            "y_px": np.round(y / mpp, 1),
            "lumen_area_um2": np.round(lumen, 1),
            "endothelial_area_um2": np.round(wall, 1),
            "diameter_um": np.round(diameter, 2),
            "kind": [name for name in scene.names if name in VESSEL_KINDS],
            "excluded": _under(artefacts, x, y),
        }
    )
    return _sorted(table[_on_slide(scene, x, y)])


def _aggregates(scene: Scene, mpp: float) -> pd.DataFrame:
    rows = []
    x, y = scene.nuclei[:, 0], scene.nuclei[:, 1]
    labels = scene.aggregates
    j = np.clip((y / GRID_UM).astype(int), 0, labels.shape[0] - 1)
    i = np.clip((x / GRID_UM).astype(int), 0, labels.shape[1] - 1)
    b_cell = (scene.cells["type"] == CELL_TYPES.index("b_cell")) & scene.visible
    for label in range(1, int(labels.max(initial=0)) + 1):
        rr, cc = np.nonzero(labels == label)
        if len(rr) == 0:
            continue
        rows.append(
            {
                "x_px": round((float(cc.mean()) + 0.5) * GRID_UM / mpp, 2),
                "y_px": round((float(rr.mean()) + 0.5) * GRID_UM / mpp, 2),
                "area_um2": round(len(rr) * GRID_UM**2, 1),
                "cells": int((b_cell & (labels[j, i] == label)).sum()),
            }
        )
    return _sorted(pd.DataFrame(rows, columns=["x_px", "y_px", "area_um2", "cells"]))


def _extras(scene: Scene, artefacts: tuple[Artefact, ...], mpp: float) -> pd.DataFrame:
    """List stained bodies that are neither countable cells nor vessels."""
    columns = ["x_px", "y_px", "area_um2", "kind", "excluded"]
    soma = scene.bodies[scene.cells["soma"]]
    stained = (soma["core_s"] > 0.02) | (soma["shell_s"] > 0.02)
    macrophage = scene.cells["type"] == CELL_TYPES.index("macrophage")
    if scene.spec.marker == "CD68":
        chosen, kind = stained_somas(scene, ("macrophage", "foamy")), "fragment"
    elif scene.spec.marker == "CD20":
        chosen, kind = stained_somas(scene, ("b_cell",)), "fragment"
    elif scene.spec.marker == "CD31":
        chosen, kind = np.flatnonzero(macrophage & stained), "nonvascular"
    else:
        return pd.DataFrame(columns=columns)
    first = scene.cells["soma"][chosen]
    x, y, area, _ = profiles(scene.bodies, np.column_stack([first, first + 1]).astype(np.int64)).T
    table = pd.DataFrame(
        {
            "x_px": np.round(x / mpp, 1),
            "y_px": np.round(y / mpp, 1),
            "area_um2": np.round(area, 1),
            "kind": kind,
            "excluded": _under(artefacts, x, y),
        }
    )
    return _sorted(table[_on_slide(scene, x, y) & (area > 0.0)])
