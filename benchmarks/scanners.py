"""One tissue, several scanners and staining runs: how far nuclei and positives move, what stays negative.

Prints Markdown tables: phantoms on three virtual scanners and in three strengths, slides without stain
or with little, and a real image digitised again with other tone curves, colours and resolutions.

    python benchmarks/scanners.py [--data FOLDER] [--seeds 2]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

import histoquant as hq
from histoquant.phantoms.appearance import APPEARANCES, SCANNERS, Appearance
from histoquant.phantoms.camera import compressed
from histoquant.phantoms.field import render_field
from histoquant.phantoms.writer import write_slide
from histoquant.run.quantify import Quantified
from histoquant.slides import working_plane
from histoquant.stains import white_point
from histoquant.tiling.survey import survey

SCENES: tuple[tuple[str, str, dict[str, float]], ...] = (
    ("CD68", "CD68", {}),
    ("CD68 crowded", "CD68", {"t_cells": 3600.0, "plasma_cells": 1100.0, "macrophages": 420.0}),
    ("CD20", "CD20", {"aggregates": 3.0, "b_cells": 420.0}),
    ("nuclear", "nuclear", {}),
    ("CD31", "CD31", {}),
)
# Controls with little or nothing to find; positives per mm2 are held against those of the marker's own scene.
NEGATIVES: tuple[tuple[str, str, dict[str, float]], ...] = (
    ("CD68", "no stain", {"stain": 0.0}),
    ("CD20", "no stain", {"stain": 0.0}),
    ("nuclear", "no stain", {"stain": 0.0}),
    ("CD68", "stain at a tenth", {"stain": 0.1}),
    ("CD68", "no macrophages", {"macrophages": 0.0}),
)
SIZE_UM = 500.0


@dataclass(frozen=True)
class Scan:
    """How a real image is digitised again, acting on light."""

    name: str
    gain: float = 1.0
    white: tuple[float, float, float] | None = None
    colours: tuple[tuple[float, float, float], ...] | None = None
    mpp: float | None = None
    blur_um: float = 0.0
    sharpen: float = 0.0
    jpeg: int = 0

    def of(
        self, rgb: NDArray[np.uint8], mpp: float, white: tuple[float, float, float]
    ) -> tuple[NDArray[np.uint8], float]:
        """The image on this scanner, and its um per pixel."""
        light = rgb.astype(np.float32) / np.asarray(white, np.float32)
        if self.blur_um:
            light = np.asarray(cv2.GaussianBlur(light, (0, 0), self.blur_um / mpp), np.float32)
        out = self.mpp or mpp
        if out != mpp:
            size = (round(rgb.shape[1] * mpp / out), round(rgb.shape[0] * mpp / out))
            how = cv2.INTER_AREA if out > mpp else cv2.INTER_CUBIC
            light = np.asarray(cv2.resize(light, size, interpolation=how), np.float32)
        if self.sharpen:
            light = light + self.sharpen * (light - cv2.GaussianBlur(light, (0, 0), 1.0))
        if self.colours:
            light = light @ np.asarray(self.colours, np.float32).T
        seen = np.maximum(light, 1 / 255) ** self.gain * np.asarray(self.white or white)
        grey = np.ascontiguousarray(np.clip(np.rint(seen), 0, 255), dtype=np.uint8)
        return (compressed(grey, self.jpeg) if self.jpeg else grey), out


_B, _C = SCANNERS["B"], SCANNERS["C"]
SCANS = (
    Scan("as it is"),
    *(Scan(f"tone curve {gain:g}", gain=gain) for gain in (0.6, 0.8, 1.25, 1.5, 1.8)),
    Scan("white (228, 232, 238)", white=(228.0, 232.0, 238.0)),
    Scan("0.2271 um/px", mpp=0.2271),
    Scan("0.5 um/px", mpp=0.5),
    Scan("blur 0.35 um", blur_um=0.35),
    Scan("sharpened", sharpen=0.6),
    Scan("as scanner B", _B.gamma, None, _B.colours, 0.5, 0.3, 0.0, _B.jpeg),
    Scan("as scanner C", _C.gamma, (240.0, 243.0, 246.0), _C.colours, 0.2271, 0.0, _C.sharpen, _C.jpeg),
)


def quantified(rgb: NDArray[np.uint8], mpp: float, marker: str) -> Quantified:
    """One image as a slide of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "slide.tif"
        write_slide(path, rgb, mpp)
        with hq.open_slide(path) as slide:
            return hq.quantify(slide, marker)


def looks() -> Iterator[tuple[str, Appearance]]:
    """Every scanner and strength a scene is seen in."""
    normal = APPEARANCES["normal"]
    for letter, scanner in SCANNERS.items():
        yield f"scanner {letter}", normal if letter == "A" else normal.with_scanner(scanner)
    for name in ("pale", "strong"):
        yield name, APPEARANCES[name]


def _positives(result: Quantified) -> float:
    vessels = result.metrics.get("vessels")
    return float(vessels if vessels is not None else result.metrics["positive"])


def _share(result: Quantified) -> float:
    percent = result.metrics["positive_percent"]
    return float("nan") if percent is None else float(percent)


def spread_line(nuclei: list[float], percents: list[float]) -> str:
    """Largest difference in nuclei, in per cent of their mean, and in positive per cent, in points."""
    wide = 100 * (max(nuclei) - min(nuclei)) / (sum(nuclei) / len(nuclei))
    points = "–" if np.isnan(percents).any() else f"{max(percents) - min(percents):.2f} points"
    return f"{wide:.1f} % | {points}"


def scanner_table(seeds: int) -> None:
    """Phantoms: the same scenes on every scanner and in every strength."""
    print(
        "| scene | seen as | nuclei | true | positive % | true | positive or vessels | true | T, OD | gain |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|", flush=True)
    for name, marker, scene in SCENES:
        for seed in range(1, seeds + 1):
            nuclei: dict[str, float] = {}
            percents: dict[str, float] = {}
            for look, appearance in looks():
                rgb, truth = render_field(marker, SIZE_UM, seed, appearance, **scene)
                result = quantified(rgb, float(truth.summary["mpp"]), marker)
                seen = truth.nuclei[(truth.nuclei["visible"] == 1) & (truth.nuclei["excluded"] == 0)]
                nuclei[look], percents[look] = float(result.metrics["nuclei"]), _share(result)
                said: Any = "–" if marker == "CD31" else f"{100 * (seen['positive'] == 1).mean():.2f}"
                true = truth.summary["vessels"] if marker == "CD31" else int((seen["positive"] == 1).sum())
                plan = result._planned.plan
                print(
                    f"| {name}, seed {seed} | {look} | {nuclei[look]:.0f} | {len(seen)} "
                    f"| {percents[look]:.2f} | {said} | {_positives(result):.0f} | {true} "
                    f"| {plan.threshold_od} | {plan.search_gain / 1024:.2f} |",
                    flush=True,
                )
            letters = [f"scanner {letter}" for letter in SCANNERS]
            three = spread_line([nuclei[k] for k in letters], [percents[k] for k in letters])
            whole = spread_line(list(nuclei.values()), list(percents.values()))
            print(f"| **{name}, seed {seed}** | **three scanners: {three}**, **all: {whole}** |", flush=True)


def negative_table(seed: int = 1) -> None:
    """Controls: positives per mm2 against those of the scene with stain, on every scanner and in haze."""
    hazy = replace(APPEARANCES["normal"], name="hazy", haze_od=0.06)
    shown = [(f"scanner {k}", hazy.with_scanner(s) if k != "A" else hazy) for k, s in SCANNERS.items()]
    shown += [("strong, scanner C", APPEARANCES["strong"].with_scanner(SCANNERS["C"]))]
    print("\n| marker | control | seen as | positives/mm2 | of the positive control's | T, OD | source |")
    print("|---|---|---|---|---|---|---|", flush=True)
    base = {marker: scene for name, marker, scene in SCENES if name == marker}
    for marker, control, change in NEGATIVES:
        for look, appearance in shown:
            held = []
            for scene in (base[marker], {**base[marker], **change}):
                rgb, truth = render_field(marker, SIZE_UM, seed, appearance, **scene)
                result = quantified(rgb, float(truth.summary["mpp"]), marker)
                held.append((float(result.metrics["positive_per_mm2"]), result._planned.plan))
            (full, _), (none, plan) = held
            print(
                f"| {marker} | {control} | {look} | {none:.1f} | {100 * none / full:.1f} % "
                f"| {plan.threshold_od} | {plan.threshold_source} |",
                flush=True,
            )


def real_table(path: Path) -> None:
    """A real image, digitised again."""
    with hq.open_slide(path) as slide:
        mpp = slide.mpp_xy[0]
        full = working_plane(slide, mpp)
        rgb, _ = full.read(0, 0, *full.size_px)
        white = white_point(survey(full)).rgb
    print(f"\n| {path.name} | nuclei | positive | positive % | T, OD | nuclei gain | vectors |")
    print("|---|---|---|---|---|---|---|", flush=True)
    nuclei, percents = [], []
    for scan in SCANS:
        result = quantified(*scan.of(rgb, mpp, white), "nuclear")
        plan = result._planned.plan
        nuclei.append(float(result.metrics["nuclei"]))
        percents.append(_share(result))
        print(
            f"| {scan.name} | {nuclei[-1]:.0f} | {_positives(result):.0f} | {percents[-1]:.2f} "
            f"| {plan.threshold_od} | {plan.search_gain / 1024:.2f} | {plan.stain_source} |",
            flush=True,
        )
    print(f"| **spread** | {spread_line(nuclei, percents)} |", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=default, help="real images; left out where absent")
    parser.add_argument("--seeds", type=int, default=2, help="scenes of each kind")
    options = parser.parse_args()
    scanner_table(options.seeds)
    negative_table()
    real = options.data / "ki67-two-scanners" / "OS-2-vsi.ome.tif"
    if real.exists():
        real_table(real)


if __name__ == "__main__":
    main()
