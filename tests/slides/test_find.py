"""Slides among files and folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from histoquant.slides import find_slides, open_slide, preflight, slide_name


def _touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def _names(root: Path, *given: Path) -> list[str]:
    return [str(path.relative_to(root)) for path in find_slides(given or [root])]


def test_folders_are_searched_and_sorted(tmp_path: Path) -> None:
    _touch(tmp_path, "b.svs", "a.TIF", "sub/deep/c.ndpi", "sub/d.ome.tiff", "e.png", "f.jpeg", "g.vsi")
    _touch(
        tmp_path, "slides.csv", "study.toml", "notes.txt", "a.xml", "slide.svs.md5", ".hidden.svs", "._b.svs"
    )
    _touch(
        tmp_path, ".cache/x.svs", "truth/y.tif", "b_labels.png", "b_mask.tif", "truth.csv", "outcomes.xlsx"
    )
    assert _names(tmp_path) == [
        "a.TIF",
        "b.svs",
        "e.png",
        "f.jpeg",
        "g.vsi",
        "sub/d.ome.tiff",
        "sub/deep/c.ndpi",
    ]


def test_result_folders_are_passed_over(tmp_path: Path) -> None:
    _touch(
        tmp_path, "a.svs", "results/run.json", "results/slides/a/overlay.png", "results/x.tif", "other/b.png"
    )
    assert _names(tmp_path) == ["a.svs", "other/b.png"]


def test_data_files_of_other_formats_are_no_slides(tmp_path: Path) -> None:
    _touch(
        tmp_path,
        "m.mrxs",
        "m/Slidedat.ini",
        "m/Data0001.dat",
        "m/x.jpg",
        "v(0,0).jpg",
        "v_macro.jpg",
        "own.jpg",
    )
    (tmp_path / "v.vms").write_text(
        "[Virtual Microscope Specimen]\nImageFile=v(0,0).jpg\nMacroImage=v_macro.jpg\n"
    )
    assert _names(tmp_path) == ["m.mrxs", "own.jpg", "v.vms"]


def test_named_files_are_always_listed(tmp_path: Path) -> None:
    _touch(tmp_path, "notes.txt", ".hidden.svs", "b_labels.png")
    given = [tmp_path / name for name in ("notes.txt", ".hidden.svs", "b_labels.png", "gone.svs")]
    assert len(find_slides([*given, *given])) == 4
    assert [preflight(path).code for path in given] == [
        "NOT_AN_IMAGE",
        "NOT_AN_IMAGE",
        "NOT_AN_IMAGE",
        "NOT_FOUND",
    ]


def test_links_are_followed_once(tmp_path: Path) -> None:
    _touch(tmp_path, "in/a.svs", "elsewhere/b.svs")
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "far").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in" / "dangling.svs").symlink_to(tmp_path / "nowhere.svs")
    assert _names(tmp_path / "in") == ["a.svs", "dangling.svs", "far/b.svs"]


@pytest.mark.parametrize(
    "name",
    [
        "é.svs",
        "e\u0301.svs",
        "with space.svs",
        "line\nbreak.svs",
        "🔬.svs",
        "a" * 200 + ".svs",
        "-x.svs",
        "a.b.svs",
    ],
)
def test_any_name(name: str, tmp_path: Path) -> None:
    _touch(tmp_path, name)
    assert _names(tmp_path) == [name]
    assert slide_name(tmp_path / name) == name.removesuffix(".svs")
    record = preflight(tmp_path / name)
    assert record.code == "NOT_AN_IMAGE"
    assert "\n" not in record.message


def test_dicom_counts_by_series(shared: Path, tmp_path: Path) -> None:
    wsi = shared / "wsi"
    assert _names(shared, wsi) == [
        f"wsi/{name}"
        for name in (
            "CMU-1-Small-Region-dicom", "CMU-1-Small-Region.svs", "boxes.tiff", "boxes_0.dcm", "small.svs",
            "unopenable.tiff", "unreadable.svs",
        )
    ]  # fmt: skip
    members = sorted((wsi / "CMU-1-Small-Region-dicom").iterdir())
    assert find_slides(members) == members[:1]
    assert find_slides([members[2]]) == [members[2]]
    for path in [*members[:2], wsi / "boxes_0.dcm"]:
        (tmp_path / path.name).symlink_to(path)
    assert len(find_slides([tmp_path])) == 2
    assert preflight(tmp_path).code == "NOT_AN_IMAGE"
    for path in members[:2]:
        (tmp_path / path.name).unlink()
    assert find_slides([tmp_path]) == [tmp_path]
    with open_slide(tmp_path) as slide:
        assert slide.size_px == (16, 16)


def test_names_lose_their_suffix(tmp_path: Path) -> None:
    for name, stem in {
        "P03_T1_CD68.svs": "P03_T1_CD68", "a.ome.tif": "a", "a.OME.TIFF": "a", "a.b.tiff": "a.b",
        "x.ndpi": "x", "noext": "noext", "odd.xyz": "odd", ".svs": ".svs",
    }.items():  # fmt: skip
        assert slide_name(tmp_path / name) == stem
    (tmp_path / "dicom.folder").mkdir()
    assert slide_name(tmp_path / "dicom.folder") == "dicom.folder"
