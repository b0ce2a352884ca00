"""Markers of a study file: another name for a known rule, some settings changed."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

import histoquant as hq
from histoquant.errors import StudyError, UsageError
from histoquant.markers import get_marker, registry
from histoquant.run.intake import take_in
from histoquant.run.options import RunOptions
from histoquant.run.runner import run_slides


def study(folder: Path, slides: Path, *entries: str) -> Path:
    folder.mkdir()
    shutil.copy(slides / "P01_T1_V1_CD68.tif", folder / "P01_T1_V1_CD163.tif")
    (folder / "study.toml").write_text("\n".join(f"[[markers]]\n{entry}" for entry in entries))
    return folder


def test_a_marker_like_another_counts_as_that_one_does(slides: Path, tmp_path: Path) -> None:
    own = study(tmp_path / "own", slides, 'name = "CD163"\nlike = "CD68"')
    plain = tmp_path / "plain"
    plain.mkdir()
    shutil.copy(slides / "P01_T1_V1_CD68.tif", plain)
    rows = []
    for folder in (own, plain):
        out = tmp_path / f"{folder.name}_results"
        assert run_slides(RunOptions(slides=(folder,), out=out, workers=0)) == 0
        rows.append(hq.load_results(out).slides.iloc[0])
        assert f"{rows[-1]['marker'].lower()}_per_mm2" in hq.load_results(out).biopsies.columns
    assert (rows[0]["marker"], rows[0]["patient"], rows[0]["timepoint"]) == ("CD163", "P01", "V1")
    same = ["nuclei", "positive", "positive_per_mm2", "tissue_mm2", "anucleate_objects", "clusters"]
    assert rows[0][same].astype(str).tolist() == rows[1][same].astype(str).tolist()


def test_settings_of_the_entry_then_of_the_run(slides: Path, tmp_path: Path) -> None:
    folder = study(
        tmp_path / "own",
        slides,
        'name = "CD163"\nlike = "CD68"\nset = { threshold_od = 0.3, cytoplasm_um = 4.0 }',
    )
    (marker,) = take_in(RunOptions(slides=(folder,))).markers.values()
    assert (marker.name, marker.rule, marker.threshold_od, marker.cytoplasm_um) == ("CD163", "cd68", 0.3, 4.0)
    assert marker.dab_standard_od is None  # a threshold set by hand holds on every slide
    (marker,) = take_in(RunOptions(slides=(folder,), settings=("threshold_od=0.4",))).markers.values()
    assert marker.threshold_od == 0.4
    (marker,) = take_in(RunOptions(slides=(folder,), marker="CD163")).markers.values()
    assert marker.name == "CD163"


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ('name = "cd68"\nlike = "CD20"', "this name is taken"),
        ('name = "CD163"\nlike = "CD86"', "unknown marker 'CD86'"),
        ('name = "CD163"\nlike = "CD68"\nset = { treshold_od = 0.3 }', "no setting treshold_od"),
        ('name = "CD163"\nlike = "CD68"\nset = { threshold_od = -1 }', "threshold_od"),
        ('name = "CD 163"\nlike = "CD68"', r"\[\[?markers"),
        ('like = "CD68"', "name"),
    ],
)
def test_what_is_wrong_is_named(slides: Path, tmp_path: Path, entry: str, said: str) -> None:
    with pytest.raises(StudyError, match=said):
        take_in(RunOptions(slides=(study(tmp_path / "own", slides, entry),)))


def test_the_marker_of_a_plugin_is_read_from_a_file_name(slides: Path, tmp_path: Path, monkeypatch) -> None:
    cd163 = get_marker("CD68").model_copy(update={"name": "CD163"})
    entry = SimpleNamespace(name="CD163", value="somewhere:CD163", load=lambda: (cd163, lambda *_: None))
    monkeypatch.setattr(registry, "entry_points", lambda group: [entry])
    shutil.copy(slides / "P01_T1_V1_CD68.tif", tmp_path / "P01_T1_V1_CD163.tif")
    intake = take_in(RunOptions(slides=(tmp_path,)))
    assert intake.refused == {}
    assert intake.markers == {"P01_T1_V1_CD163": cd163}
    with pytest.raises(UsageError, match="nuclear, membrane, cytoplasmic, CD163, or define"):
        get_marker("CD99")
