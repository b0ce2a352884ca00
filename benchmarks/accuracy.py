"""Found against true: phantoms of every family, and annotated real images where they are at hand.

Prints one Markdown table. Every row is one image or one family; nothing is left out.

    python benchmarks/accuracy.py [--data FOLDER] [--quick]
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

import histoquant as hq
from histoquant.errors import SlideRefusedError
from histoquant.phantoms import families
from histoquant.phantoms.writer import write_slide
from histoquant.run.quantify import Quantified

# Bladder1, Lung1 are assumed to be 0.25 um/px, hgsc_nest 0.5.
ANNOTATED = (
    ("ihc-annotated/Bladder1.png", "nuclear", 0.25),
    ("ihc-annotated/Lung1.png", "nuclear", 0.25),
    ("he-annotated/hgsc_nest.jpg", "HE", 0.5),
)
# Counts by QuPath 0.3.2, not truth: shown for orientation.
COUNTED = (
    ("ki67-two-scanners/OS-2-vsi.ome.tif", "nuclear", "QuPath: 1353 cells, 13.5 % positive at 0.2"),
    ("he-annotated/OS-1-detail.ome.tif", "HE", "QuPath: 319 nuclei, StarDist: 331"),
    ("wsi/CMU-1-Small-Region.svs", "HE", ""),
    ("wsi/CMU-1-Small-Region-dicom", "HE", "the same tissue as the SVS"),
)


@dataclass(frozen=True)
class Row:
    """One line of the table; NaN where a figure has no meaning."""

    name: str
    nuclei_true: int
    nuclei_found: int
    f1_6um: float
    f1_3um: float
    strict_6um: float
    precision_6um: float
    recall_6um: float
    class_accuracy: float
    positive_true: float
    positive_found: float
    note: str = ""


def _points(table: pd.DataFrame, x: str, y: str, mpp: float) -> NDArray[np.float64]:
    return (table[[x, y]].to_numpy(np.float64) + 0.5) * mpp


def _compare(
    name: str,
    truth: pd.DataFrame,
    result: Quantified,
    mpp: float,
    note: str = "",
    *,
    faint: pd.DataFrame | None = None,
) -> Row:
    """Nuclei and their classes.

    ``truth`` has x_px, y_px and positive (missing where there is no class). A found nucleus on a ``faint``
    one, a shaving too thin to be asked for, is neither right nor wrong; the strict F1 counts it wrong.
    """
    true, found = _points(truth, "x_px", "y_px", mpp), result.cells[["x_um", "y_um"]].to_numpy(np.float64)
    wide = match_points(true, found, 6.0)
    left = np.setdiff1d(np.arange(len(found)), wide.found_index)
    shavings = np.zeros((0, 2)) if faint is None else _points(faint, "x_px", "y_px", mpp)
    forgiven = left[match_points(shavings, found[left], 6.0).found_index]
    asked = np.setdiff1d(np.arange(len(found)), forgiven)
    close, lenient = match_points(true, found[asked], 3.0), match_points(true, found[asked], 6.0)
    # CD31 counts vessels and HE counts nuclei: no cell of theirs is called positive
    classed = truth["positive"].notna().all() and result.metrics["positive"] is not None
    said = result.cells["positive"].to_numpy(bool)
    accuracy = positive_true = positive_found = float("nan")
    if classed:
        is_positive = truth["positive"].to_numpy(int) == 1
        accuracy = float(np.mean(is_positive[wide.true_index] == said[wide.found_index]))
        positive_true, positive_found = float(is_positive.sum()), float(said.sum())
    return Row(
        name, len(truth), len(found) - len(forgiven), lenient.f1, close.f1, wide.f1, lenient.precision,
        lenient.recall, accuracy, positive_true, positive_found, note,
    )  # fmt: skip


def annotated_rows(data: Path) -> Iterator[Row]:
    """Real images with nuclei marked by people or a model."""
    for file, marker, mpp in ANNOTATED:
        path = data / file
        truth = pd.read_csv(path.with_suffix(".csv"))
        with hq.open_slide(path, mpp=mpp) as slide:
            yield _compare(path.stem, truth, hq.quantify(slide, marker), mpp)


def counted_rows(data: Path) -> Iterator[Row]:
    """Real images without marks: counts only."""
    nan = float("nan")
    for file, marker, note in COUNTED:
        with hq.open_slide(data / file) as slide:
            result = hq.quantify(slide, marker)
        positive = nan if result.metrics["positive"] is None else float(result.metrics["positive"])
        yield Row(Path(file).name, 0, len(result.cells), *[nan] * 7, positive, note)


def phantom_rows(quick: bool) -> Iterator[Row]:
    """Each family of phantoms; areas, vessels and aggregates stand in the note."""
    for family in families()[:: 4 if quick else 1]:
        rgb, truth = family.render()
        mpp = float(truth.summary["mpp"])
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{family.name}.tif"
            write_slide(path, rgb, mpp)
            try:
                with hq.open_slide(path) as slide:
                    result = hq.quantify(slide, family.marker)
            except SlideRefusedError as refusal:
                print(f"| {family.name} | refused: {refusal.code} |" + " |" * 8, flush=True)
                continue
        nuclei = truth.nuclei
        asked = (nuclei["visible"] == 1) & (nuclei["excluded"] == 0)
        note = _areas(truth.summary, result)
        yield _compare(family.name, nuclei[asked], result, mpp, note, faint=nuclei[~asked])


def _areas(truth: dict[str, float | int | str], result: Quantified) -> str:
    notes = []
    for key, label in (("tissue_mm2", "tissue mm2"), ("vessels", "vessels"), ("aggregates", "aggregates")):
        found = result.metrics.get(key)
        if found is not None:
            notes.append(f"{label} {found:.4g} of {float(truth[key]):.4g}")
    lumen = result.metrics.get("lumen_area_percent")
    if lumen is not None and float(truth["lumen_area_um2"]):
        found_um2 = lumen / 100 * result.metrics["tissue_mm2"] * 1e6
        notes.append(f"lumen {100 * found_um2 / float(truth['lumen_area_um2']):.0f} % of true")
    return ", ".join([*notes, *result.flags])


def _pooled(name: str, rows: list[Row]) -> Row:
    """Counts pooled over rows, never F1 averaged (Reinke 2024)."""
    true, found = sum(row.nuclei_true for row in rows), sum(row.nuclei_found for row in rows)
    hits6 = sum(row.f1_6um * (row.nuclei_true + row.nuclei_found) / 2 for row in rows)
    hits3 = sum(row.f1_3um * (row.nuclei_true + row.nuclei_found) / 2 for row in rows)
    strict = sum(row.strict_6um * (row.nuclei_true + row.nuclei_found) / 2 for row in rows)
    right = sum(
        row.class_accuracy * row.recall_6um * row.nuclei_true for row in rows if row.positive_true >= 0
    )
    classed = sum(row.recall_6um * row.nuclei_true for row in rows if row.positive_true >= 0)
    positive = [row for row in rows if row.positive_true >= 0]
    return Row(
        f"**{name}, pooled**", true, found, 2 * hits6 / (true + found), 2 * hits3 / (true + found),
        2 * strict / (true + found),
        hits6 / found, hits6 / true, right / classed if classed else float("nan"),
        sum(row.positive_true for row in positive), sum(row.positive_found for row in positive),
    )  # fmt: skip


def _line(row: Row) -> str:
    def number(value: float, digits: int) -> str:
        return "–" if np.isnan(value) else f"{value:.{digits}f}"

    cells = [
        row.name,
        f"{row.nuclei_found} / {row.nuclei_true or '–'}",
        number(row.f1_6um, 3),
        number(row.f1_3um, 3),
        number(row.strict_6um, 3),
        number(row.precision_6um, 3),
        number(row.recall_6um, 3),
        number(row.class_accuracy, 3),
        f"{number(row.positive_found, 0)} / {number(row.positive_true, 0)}",
        row.note,
    ]
    return "| " + " | ".join(cells) + " |"


HEAD = (
    "| image | nuclei found / true | F1 6 µm | F1 3 µm | strict F1 6 µm | precision | recall "
    "| class accuracy | positive found / true | also |\n|---|---|---|---|---|---|---|---|---|---|"
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=default, help="real images; left out where absent")
    parser.add_argument("--quick", action="store_true", help="every fourth phantom family")
    options = parser.parse_args()
    print(HEAD, flush=True)
    groups = [("phantoms", phantom_rows(options.quick))]
    if options.data.is_dir():
        groups.append(("annotated", annotated_rows(options.data)))
    for name, stream in groups:
        rows = []
        for row in stream:
            rows.append(row)
            print(_line(row), flush=True)
        print(_line(_pooled(name, rows)), flush=True)
    if options.data.is_dir():
        for row in counted_rows(options.data):
            print(_line(row), flush=True)


if __name__ == "__main__":
    main()
