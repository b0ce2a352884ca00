"""What belongs to a slide beside the file it is named by."""

from __future__ import annotations

from pathlib import Path

from histoquant.slides import slide_files


def _names(path: Path) -> list[str]:
    return [part.name for part in slide_files(path)]


def test_an_mrxs_slide_has_its_data_folder(tmp_path: Path) -> None:
    slide = tmp_path / "P01.mrxs"
    slide.write_bytes(b"x")
    (tmp_path / "P01").mkdir()
    (tmp_path / "P01" / "Slidedat.ini").write_text("[GENERAL]")
    (tmp_path / "P01" / "Data0000.dat").write_bytes(b"y")
    (tmp_path / "P02.mrxs").write_bytes(b"z")
    assert _names(slide) == ["Data0000.dat", "Slidedat.ini", "P01.mrxs"]


def test_an_index_has_the_files_it_names_and_none_elsewhere(tmp_path: Path) -> None:
    outside = tmp_path / "secret.jpg"
    outside.write_bytes(b"s")
    folder = tmp_path / "slide"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg", "unrelated.jpg"):
        (folder / name).write_bytes(b"x")
    index = folder / "slide.vms"
    index.write_text(
        "[Virtual Microscope Specimen]\nImageFile=a.jpg\nImageFile(1,0)=b.jpg\nMapFile=gone.jpg\n"
        f"MacroImage=../secret.jpg\nOptimisationFile={outside}\nEmpty=\nHere=.\n"
    )
    assert _names(index) == ["a.jpg", "b.jpg", "slide.vms"]


def test_a_dicom_file_brings_its_series(shared: Path) -> None:
    folder = shared / "wsi" / "CMU-1-Small-Region-dicom"
    every = sorted(path.name for path in folder.iterdir())
    assert _names(folder) == every
    assert set(_names(folder / every[0])) <= set(every)
    assert every[0] in _names(folder / every[0])


def test_any_other_slide_is_one_file(tmp_path: Path) -> None:
    slide = tmp_path / "P01.svs"
    slide.write_bytes(b"x")
    assert _names(slide) == ["P01.svs"]
