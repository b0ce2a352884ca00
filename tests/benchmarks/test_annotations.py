"""The cells marked by eye: well-formed tables, and the border rule kept."""

from pathlib import Path

import pandas as pd
import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks/annotations"
FIELDS = pd.read_csv(FOLDER / "fields.csv")


@pytest.mark.parametrize("image", sorted(set(FIELDS["image"])))
def test_marks_are_well_formed(image: str) -> None:
    cells = pd.read_csv(FOLDER / f"{image}.csv")
    fields = FIELDS[FIELDS["image"] == image].set_index("field")
    classes = {"positive", "negative", "doubtful"}
    assert set(cells["class"]) <= classes
    assert set(cells["seen"]) <= classes
    assert set(cells["field"]) == set(fields.index)
    assert not cells.duplicated(["x_px", "y_px"]).any()
    of = fields.loc[cells["field"]].reset_index(drop=True)
    near = 3.0 / of["um_per_px"] - 0.5  # whole pixels, half a pixel of rounding
    left, top = cells["x_px"] - of["x0_px"], cells["y_px"] - of["y0_px"]
    inside = (left >= near) & (top >= near)
    inside &= (left <= of["width_px"] - near) & (top <= of["height_px"] - near)
    clear = cells["class"] != "doubtful"
    assert inside[clear].all()
    assert (cells["class"] == cells["seen"])[clear].all()


def test_enough_cells() -> None:
    clear = 0
    for image in sorted(set(FIELDS["image"])):
        cells = pd.read_csv(FOLDER / f"{image}.csv")
        clear += int((cells["class"] != "doubtful").sum())
    assert clear >= 300


def test_fields_of_an_image_do_not_overlap() -> None:
    for _, fields in FIELDS.groupby("image"):
        for a in fields.itertuples():
            for b in fields.itertuples():
                apart = abs(a.x0_px - b.x0_px) >= a.width_px or abs(a.y0_px - b.y0_px) >= a.height_px
                assert a.field == b.field or apart
