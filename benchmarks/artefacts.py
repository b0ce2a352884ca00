"""Artefacts found against drawn, and what leaving them out does to the counts.

Prints three Markdown tables: phantom families with and without artefacts, slides that hold nothing but an
artefact, and the share of tissue excluded on real images, which were chosen free of artefacts.

    python benchmarks/artefacts.py [--data FOLDER] [--families PATTERN]
"""

from __future__ import annotations

import argparse
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import histoquant as hq
from histoquant.errors import SlideRefusedError
from histoquant.phantoms import Artefact, families, render_field
from histoquant.phantoms.truth import Truth
from histoquant.phantoms.writer import write_slide

REAL = (
    ("wsi/CMU-1-Small-Region.svs", "HE", None),
    ("ki67-two-scanners/OS-2-vsi.ome.tif", "nuclear", None),
    ("ihc-lymphoid/ROI_1.png", "CD20", 0.25),
    ("ihc-lymphoid/ROI_7.png", "CD20", 0.25),
    ("ihc-annotated/Bladder1.png", "nuclear", 0.25),
    ("ihc-annotated/Lung1.png", "nuclear", 0.25),
    ("he-annotated/hgsc_nest.jpg", "HE", 0.5),
    ("he-annotated/OS-1-detail.ome.tif", "HE", None),
)
_CLEAN = re.compile(
    r"-(normal|pale|strong|vector-shifted|white-shifted|blurred|noisy|hazy|crowded|sheet|foamy|collapsed|dense"
    r"|rich|sparse|diffuse|decoys|biopsy|negative-control|scanner-[BC]|tumour|faint)$"
)
_DAMAGED = re.compile(r"-(fold|widefold|pen|bubble|defocus|edge-dab|crush|pigment|debris)$")


@dataclass(frozen=True)
class Outcome:
    """Metrics of a quantified slide, or the code of its refusal."""

    metrics: dict[str, Any] | None
    refused: str = ""


def quantified(rgb: NDArray[np.uint8], mpp: float, marker: str) -> Outcome:
    """Quantify pixels by way of a slide file, as a run would."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "slide.tif"
        write_slide(path, rgb, mpp)
        try:
            with hq.open_slide(path) as slide:
                return Outcome(dict(hq.quantify(slide, marker).metrics))
        except SlideRefusedError as refusal:
            return Outcome(None, refusal.code)


def _number(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _line(*cells: str) -> None:
    print("| " + " | ".join(cells) + " |", flush=True)


def _true_density(truth: Truth, marker: str) -> float:
    counted = truth.summary["vessels" if marker == "CD31" else "positive"]
    return float(counted or 0) / float(truth.summary["tissue_mm2"])


def family_rows(pattern: re.Pattern[str]) -> None:
    """One line per family with artefacts, and per clean one."""
    _line("family", "excluded mm2 found / true", "by kind", "tissue mm2 found / true", "per mm2", "true",
          "per mm2 had nothing been excluded", "effect")  # fmt: skip
    _line(*["---"] * 8)
    for family in families():
        known = _CLEAN.search(family.name) or _DAMAGED.search(family.name)
        if not known or family.marker not in ("CD68", "CD20", "CD31") or not pattern.search(family.name):
            continue
        rgb, truth = family.render()
        found = quantified(rgb, float(truth.summary["mpp"]), family.marker).metrics
        if found is None:
            _line(family.name, "refused", *[""] * 6)
            continue
        cells = [
            family.name,
            f"{found['excluded_mm2']:.4f} / {truth.summary['excluded_mm2']:.4f}",
            found["excluded_by_kind"],
            f"{found['tissue_mm2']:.4f} / {truth.summary['tissue_mm2']:.4f}",
            _number(found["positive_per_mm2"]),
            _number(_true_density(truth, family.marker)),
            _number(found["positive_per_mm2_unexcluded"]),
            f"{_number(found['exclusion_effect_percent'])} %",
        ]
        _line(*cells)


def only(kind: str) -> tuple[Artefact, ...]:
    """One sort of artefact strewn over empty glass of 800 um."""
    if kind == "debris":
        return tuple(
            Artefact("debris", ((40.0 + 97.0 * k % 720.0, 40.0 + 171.0 * k % 720.0),), 2.0 + k % 9, seed=k)
            for k in range(1, 40)
        )
    if kind == "bubbles":
        places = ((200.0, 220.0, 90.0), (560.0, 300.0, 60.0), (380.0, 600.0, 130.0))
        return tuple(Artefact("bubble", ((x, y),), r, seed=k) for k, (x, y, r) in enumerate(places, 1))
    if kind == "coverslip":
        return (Artefact("coverslip", ((-20.0, 200.0), (840.0, 230.0)), 3.0, seed=4),)
    return (Artefact("pen", ((-40.0, 240.0), (360.0, 310.0), (840.0, 270.0)), 80.0, ink=kind, seed=6),)


def pure_rows() -> None:
    """Slides without tissue, against the positive control's density."""
    print()
    _line("slide without tissue", "marker", "result", "per mm2", "of positive control")
    _line(*["---"] * 5)
    for marker in ("CD68", "CD20", "CD31"):
        rgb, truth = render_field(marker, 600.0, 1)
        metrics = quantified(rgb, float(truth.summary["mpp"]), marker).metrics
        control = metrics["positive_per_mm2"] if metrics else float("nan")
        for kind in ("glass", "blue", "green", "black", "bubbles", "debris", "coverslip"):
            artefacts = () if kind == "glass" else only(kind)
            rgb, truth = render_field(marker, 800.0, 1, artefacts=artefacts, fragments=-1)
            found = quantified(rgb, float(truth.summary["mpp"]), marker)
            name = f"{kind} ink" if kind in ("blue", "green", "black") else kind
            if found.metrics is None:
                _line(name, marker, f"refused: {found.refused}", "–", "–")
                continue
            density = found.metrics["positive_per_mm2"]
            text = f"{found.metrics['tissue_mm2']:.4f} mm2"
            _line(name, marker, text, _number(density), f"{100 * density / control:.1f} %")


def real_rows(data: Path) -> None:
    """Share of tissue excluded on real images."""
    from skimage.data import immunohistochemistry

    print()
    _line("real image", "tissue mm2", "excluded", "by kind", "effect on the density")
    _line(*["---"] * 5)
    rows: list[tuple[str, dict[str, Any]]] = []
    for file, marker, mpp in REAL:
        if (data / file).exists():
            with hq.open_slide(data / file, mpp=mpp) as slide:
                rows.append((Path(file).name, dict(hq.quantify(slide, marker).metrics)))
    colon = quantified(np.ascontiguousarray(immunohistochemistry()), 0.5, "membrane").metrics
    rows.append(("skimage immunohistochemistry", colon or {}))
    for name, found in rows:
        share = 100 * found["excluded_mm2"] / (found["excluded_mm2"] + found["tissue_mm2"])
        effect = f"{_number(found['exclusion_effect_percent'])} %"
        _line(name, f"{found['tissue_mm2']:.4f}", f"{share:.2f} %", found["excluded_by_kind"], effect)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=default, help="real images; left out where absent")
    parser.add_argument("--families", default=".", help="regular expression on phantom families")
    options = parser.parse_args()
    family_rows(re.compile(options.families))
    pure_rows()
    real_rows(options.data)


if __name__ == "__main__":
    main()
