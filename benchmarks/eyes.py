"""Found against marked by eye: real images with a membrane or cytoplasm stain.

The marks, their conventions and their limits are in ``benchmarks/annotations/README.md``. Doubtful cells are
ignored both ways, and so is everything within 3 um of a field's border.

    python benchmarks/eyes.py [--data FOLDER] [--list]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from matching import match_points
from numpy.typing import NDArray

import histoquant as hq
from histoquant.phantoms.writer import write_slide
from histoquant.run.quantify import Quantified

ANNOTATIONS = Path(__file__).resolve().parent / "annotations"
# The stain is of the lymphocytes' membrane and cytoplasm; of which antigen is not said.
SCORED = (
    ("ROI_1", "ihc-lymphoid/ROI_1.png", "CD20"),
    ("ROI_7", "ihc-lymphoid/ROI_7.png", "CD20"),
    ("ROI_1", "ihc-lymphoid/ROI_1.png", "membrane"),
    ("ROI_7", "ihc-lymphoid/ROI_7.png", "membrane"),
    ("colon", "", "cytoplasmic"),
)
BORDER_UM = 3.0
RADIUS_UM = 6.0


@dataclass(frozen=True)
class Marks:
    """What the eye saw in one image.

    ``cells`` has x_um, y_um, class and field; ``fields`` has x0_um, y0_um, x1_um, y1_um.
    """

    cells: pd.DataFrame
    fields: pd.DataFrame
    mpp: float

    def asked(self, points_um: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which points lie in a field, 3 um or more from its border."""
        inside = np.zeros(len(points_um), bool)
        for field in self.fields.itertuples():
            low = np.array([field.x0_um, field.y0_um]) + BORDER_UM
            high = np.array([field.x1_um, field.y1_um]) - BORDER_UM
            inside |= ((points_um >= low) & (points_um < high)).all(axis=1)
        return inside


def read_marks(image: str, folder: Path = ANNOTATIONS) -> Marks:
    """Cells and fields of one image, in micrometres.

    Parameters
    ----------
    image : str
        Name of the point table without ``.csv``.
    folder : Path
        Where the tables are.
    """
    fields = pd.read_csv(folder / "fields.csv")
    fields = fields[fields["image"] == image].reset_index(drop=True)
    mpp = float(fields["um_per_px"].iloc[0])
    for axis, edge in (("x", "width_px"), ("y", "height_px")):
        fields[f"{axis}0_um"] = fields[f"{axis}0_px"] * mpp
        fields[f"{axis}1_um"] = (fields[f"{axis}0_px"] + fields[edge]) * mpp
    cells = pd.read_csv(folder / f"{image}.csv")
    cells[["x_um", "y_um"]] = (cells[["x_px", "y_px"]].to_numpy(np.float64) + 0.5) * mpp
    return Marks(cells, fields, mpp)


@dataclass(frozen=True)
class EyeScore:
    """One image and marker, or several pooled: counts of cells that were not doubtful.

    ``pairs`` counts found cells on marked ones within 6 um by (marked positive, found positive).
    """

    name: str
    marker: str
    marked_positive: int
    marked_negative: int
    found_positive: int
    found_negative: int
    pairs: tuple[tuple[int, int], tuple[int, int]]
    hits_3um: int
    judged_3um: int

    @cached_property
    def marked(self) -> int:
        """Marked cells with a class."""
        return self.marked_positive + self.marked_negative

    @cached_property
    def found(self) -> int:
        """Found cells that are on no doubtful one."""
        return self.found_positive + self.found_negative

    @cached_property
    def hits(self) -> int:
        """Pairs within 6 um, whatever the class."""
        return sum(map(sum, self.pairs))

    @property
    def recall(self) -> float:
        """Share of marked cells that were found, within 6 um."""
        return _share(self.hits, self.marked)

    @property
    def precision(self) -> float:
        """Share of found cells that were marked, within 6 um."""
        return _share(self.hits, self.found)

    @property
    def f1_6um(self) -> float:
        """Detection within 6 um."""
        return _share(2 * self.hits, self.marked + self.found)

    @property
    def f1_3um(self) -> float:
        """Detection within 3 um."""
        return _share(2 * self.hits_3um, self.marked + self.judged_3um)

    @property
    def class_accuracy(self) -> float:
        """Share of the pairs with the same class."""
        return _share(self.pairs[0][0] + self.pairs[1][1], self.hits)

    @property
    def positive_recall(self) -> float:
        """Share of the cells marked positive that were found and called positive."""
        return _share(self.pairs[1][1], self.marked_positive)

    @property
    def positive_precision(self) -> float:
        """Share of the cells found and called positive that were marked positive."""
        return _share(self.pairs[1][1], self.found_positive)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


@dataclass(frozen=True)
class Judged:
    """Pairs of marked and found cells, and which of both count."""

    true_index: NDArray[np.int64]
    found_index: NDArray[np.int64]
    true_counts: NDArray[np.bool_]
    found_counts: NDArray[np.bool_]


def judge(marks: Marks, found_um: NDArray[np.float64], radius_um: float) -> Judged:
    """Pair found cells with marked ones, doubtful cells ignored both ways.

    All marks, doubtful ones too, compete for the found cells, nearest pair first. A marked cell counts unless
    doubtful; a found one counts if it is on a marked cell that counts, or on none and 3 um or more inside a
    field. What is still over may be on a doubtful cell within 6 um, whose place is doubtful as well.

    Parameters
    ----------
    marks : Marks
    found_um : ndarray of float64, shape (n, 2)
        x and y in micrometres.
    radius_um : float
        Largest distance of a pair.
    """
    marked_um = marks.cells[["x_um", "y_um"]].to_numpy(np.float64)
    clear = (marks.cells["class"] != "doubtful").to_numpy(bool)
    matched = match_points(marked_um, found_um, radius_um)
    kept = clear[matched.true_index]
    over = np.setdiff1d(np.arange(len(found_um)), matched.found_index)
    blurred = np.setdiff1d(np.flatnonzero(~clear), matched.true_index)
    forgiven = over[match_points(marked_um[blurred], found_um[over], RADIUS_UM).found_index]
    counts = marks.asked(found_um)
    counts[matched.found_index] = kept
    counts[forgiven] = False
    return Judged(matched.true_index[kept], matched.found_index[kept], clear, counts)


def score(name: str, marker: str, marks: Marks, result: Quantified) -> tuple[EyeScore, pd.DataFrame]:
    """Score one result, and list the cells where eye and detector differ.

    Returns
    -------
    EyeScore
    DataFrame
        x_px and y_px in the image, and what is wrong: ``missed positive``, ``missed negative``,
        ``spurious positive``, ``spurious negative``, ``positive called negative``,
        ``negative called positive``.
    """
    found_um = result.cells[["x_um", "y_um"]].to_numpy(np.float64)
    said = result.cells["positive"].to_numpy(np.float64) == 1
    positive = (marks.cells["class"] == "positive").to_numpy(bool)
    wide, close = judge(marks, found_um, RADIUS_UM), judge(marks, found_um, 3.0)
    table = np.zeros((2, 2), int)
    np.add.at(table, (positive[wide.true_index].astype(int), said[wide.found_index].astype(int)), 1)
    counted = EyeScore(
        name, marker,
        int((wide.true_counts & positive).sum()), int((wide.true_counts & ~positive).sum()),
        int((wide.found_counts & said).sum()), int((wide.found_counts & ~said).sum()),
        ((int(table[0, 0]), int(table[0, 1])), (int(table[1, 0]), int(table[1, 1]))),
        len(close.true_index), int(close.found_counts.sum()),
    )  # fmt: skip
    return counted, _differences(marks, found_um, said, wide)


def _differences(
    marks: Marks, found_um: NDArray[np.float64], said: NDArray[np.bool_], judged: Judged
) -> pd.DataFrame:
    word = np.array(["negative", "positive"])
    marked_um = marks.cells[["x_um", "y_um"]].to_numpy(np.float64)
    positive = (marks.cells["class"] == "positive").to_numpy(int)
    rows = []
    for index in np.setdiff1d(np.flatnonzero(judged.true_counts), judged.true_index):
        rows.append((*marked_um[index], f"missed {word[positive[index]]}"))
    for index in np.setdiff1d(np.flatnonzero(judged.found_counts), judged.found_index):
        rows.append((*found_um[index], f"spurious {word[int(said[index])]}"))
    for true, found in zip(judged.true_index, judged.found_index, strict=True):
        if positive[true] != said[found]:
            rows.append((*marked_um[true], f"{word[positive[true]]} called {word[int(said[found])]}"))
    table = pd.DataFrame(rows, columns=["x_px", "y_px", "wrong"])
    table[["x_px", "y_px"]] = (table[["x_px", "y_px"]] / marks.mpp - 0.5).round().astype(int)
    return table.sort_values(["wrong", "y_px", "x_px"], ignore_index=True)


def quantified(image: str, file: str, marker: str, data: Path) -> Quantified:
    """Run histoquant on one of the marked images; the colon image comes with scikit-image."""
    mpp = read_marks(image).mpp
    if file:
        with hq.open_slide(data / file, mpp=mpp) as slide:
            return hq.quantify(slide, marker)
    from skimage.data import immunohistochemistry

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{image}.tif"
        write_slide(path, immunohistochemistry(), mpp)
        with hq.open_slide(path) as slide:
            return hq.quantify(slide, marker)


def eye_scores(data: Path) -> Iterator[tuple[EyeScore, pd.DataFrame]]:
    """Every marked image that is at hand, with each marker it is scored for, and what differs."""
    for image, file, marker in SCORED:
        if file and not (data / file).is_file():
            continue
        yield score(image, marker, read_marks(image), quantified(image, file, marker, data))


def pooled(name: str, marker: str, scores: list[EyeScore]) -> EyeScore:
    """Counts of several images added up."""
    pairs = np.sum([one.pairs for one in scores], axis=0)
    counts = [
        sum(getattr(one, field) for one in scores)
        for field in ("marked_positive", "marked_negative", "found_positive", "found_negative")
    ]
    (a, b), (c, d) = pairs.tolist()
    hits, judged = sum(one.hits_3um for one in scores), sum(one.judged_3um for one in scores)
    return EyeScore(name, marker, *counts, ((a, b), (c, d)), hits, judged)


HEAD = (
    "| image | marker | cells found / marked | F1 6 µm | F1 3 µm | precision | recall | class accuracy "
    "| positive found / marked | positive recall | positive precision |\n" + "|---" * 11 + "|"
)


def line(one: EyeScore) -> str:
    """One line of the Markdown table."""
    figures = [one.f1_6um, one.f1_3um, one.precision, one.recall, one.class_accuracy]
    cells = [one.name, one.marker, f"{one.found} / {one.marked}"]
    cells += [f"{value:.3f}" for value in figures]
    cells += [f"{one.found_positive} / {one.marked_positive}"]
    cells += [f"{one.positive_recall:.3f}", f"{one.positive_precision:.3f}"]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Print the table, and on demand every difference."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=default, help="real images; left out where absent")
    parser.add_argument("--list", action="store_true", help="every cell where eye and detector differ")
    options = parser.parse_args()
    print(HEAD, flush=True)
    results = []
    for one, differ in eye_scores(options.data):
        results.append((one, differ))
        print(line(one), flush=True)
    for marker in ("CD20", "membrane"):
        lymphoid = [one for one, _ in results if one.marker == marker]
        if lymphoid:
            print(line(pooled("**lymphoid, pooled**", marker, lymphoid)), flush=True)
    for one, differ in results if options.list else ():
        print(f"\n{one.name} {one.marker}\n{differ.to_string(index=False)}")


if __name__ == "__main__":
    main()
