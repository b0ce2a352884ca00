"""DICOM bulk annotations, read back by highdicom: same objects, classes, measurements and areas."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from highdicom.ann import MicroscopyBulkSimpleAnnotations, annread
from highdicom.spatial import ImageToReferenceTransformer, PixelToReferenceTransformer
from pydicom import Dataset, dcmread

import histoquant as hq
from histoquant.errors import StoreError, UsageError
from histoquant.export import export_results
from histoquant.run.options import RunOptions
from histoquant.run.runner import run_slides

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "wsi" / "CMU-1-Small-Region-dicom"
NEEDS_SLIDE = pytest.mark.skipif(not SHARED.is_dir(), reason=f"no DICOM slide at {SHARED}")


@pytest.fixture(scope="module")
def dicom_results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The DICOM slide counted with a rule that classes its cells, which it was not stained for."""
    out = tmp_path_factory.mktemp("dicom") / "results"
    settings = ("threshold_od=0.08",)
    assert run_slides(RunOptions((SHARED,), out, marker="CD68", settings=settings, workers=0)) == 0
    return out


def volume_header() -> Dataset:
    """Of the slide's full-resolution image."""
    headers = (dcmread(file, stop_before_pixels=True) for file in SHARED.iterdir())
    return next(header for header in headers if "VOLUME" in header.ImageType)


def shoelace(ring: np.ndarray) -> float:
    x, y = ring.astype(np.float64).T
    return abs(float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))) / 2


def middle(ring: np.ndarray) -> np.ndarray:
    """Centre of a polygon's area."""
    start = ring[0].astype(np.float64)
    near = ring - start
    x, y = near.T
    cross = x * np.roll(y, -1) - np.roll(x, -1) * y
    return start + (near + np.roll(near, -1, axis=0)).T @ cross / (3 * cross.sum())


def exported(results: Path, folder: Path) -> tuple[Path, MicroscopyBulkSimpleAnnotations]:
    (path,) = export_results(results, "dicom-ann", folder, slides=SHARED.parent)
    return path, annread(path)


@NEEDS_SLIDE
def test_highdicom_reads_the_same_cells(dicom_results: Path, tmp_path: Path) -> None:
    _, read = exported(dicom_results, tmp_path)
    (slide_id,) = hq.load_results(dicom_results).slides["slide_id"]
    cells = hq.load_results(dicom_results).cells(slide_id)
    groups = {group.label: group for group in read.get_annotation_groups()}
    assert set(groups) == {"Positive", "Negative"}
    for label, positive in (("Positive", True), ("Negative", False)):
        mine, group = cells[cells["positive"] == positive], groups[label]
        assert group.number_of_annotations == len(mine) > 10
        rings = group.get_graphic_data("2D")
        plan = json.loads((dicom_results / "slides" / slide_id / "plan.json").read_text())
        pixel_um2 = float(np.prod(plan["plane_mpp_xy"]) / np.prod(plan["plane_factor_xy"]))
        areas = [shoelace(ring) * pixel_um2 for ring in rings]
        np.testing.assert_allclose(areas, mine["nucleus_area_um2"], rtol=1e-4)
        names, values, units = group.get_measurements()
        by_name = {name.value: values[:, k] for k, name in enumerate(names)}
        for name in ("dab_od", "nucleus_area_um2", "cytoplasm_dab_p75_od"):
            np.testing.assert_array_equal(by_name[name], mine[name].to_numpy(np.float32))
        assert units[[name.value for name in names].index("nucleus_area_um2")].value == "um2"
    assert sum(group.number_of_annotations for group in groups.values()) == len(cells)


@NEEDS_SLIDE
def test_highdicom_maps_outlines_to_where_the_pixels_lie_on_the_slide(
    dicom_results: Path, tmp_path: Path
) -> None:
    """Points are counted from the corner of the first pixel (PS3.3, C.18.6), pixels from its centre."""
    _, read = exported(dicom_results, tmp_path)
    assert read.PixelOriginInterpretation == "VOLUME"
    image = volume_header()
    of_points = ImageToReferenceTransformer.for_image(image, for_total_pixel_matrix=True)
    of_pixels = PixelToReferenceTransformer.for_image(image, for_total_pixel_matrix=True)
    (slide_id,) = hq.load_results(dicom_results).slides["slide_id"]
    cells = hq.load_results(dicom_results).cells(slide_id)
    (group,) = (group for group in read.get_annotation_groups() if group.label == "Negative")
    middles = np.array([middle(ring) for ring in group.get_graphic_data("2D")])
    mine = cells.loc[~cells["positive"].astype(bool), ["x_px", "y_px"]].to_numpy()
    pixels = np.column_stack([mine, np.zeros(len(mine)), np.ones(len(mine))])
    pixel_mm = float(image.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing[0])
    away_px = (of_points(middles) - (of_pixels.affine @ pixels.T).T[:, :3]) / pixel_mm
    assert len(mine) > 100
    assert np.abs(away_px).max() < 0.05, "half a pixel would be the other convention"


@NEEDS_SLIDE
def test_it_refers_to_the_full_image_and_stays_the_same_instance(dicom_results: Path, tmp_path: Path) -> None:
    _, read = exported(dicom_results, tmp_path / "a")
    volume = volume_header()
    (reference,) = read.ReferencedImageSequence
    assert reference.ReferencedSOPInstanceUID == volume.SOPInstanceUID
    assert read.StudyInstanceUID == volume.StudyInstanceUID
    assert read.SeriesInstanceUID != volume.SeriesInstanceUID
    _, again = exported(dicom_results, tmp_path / "b")
    assert again.SOPInstanceUID == read.SOPInstanceUID


@NEEDS_SLIDE
def test_masked_results_and_missing_slides_are_refused(dicom_results: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Name their folder with --slides"):
        export_results(dicom_results, "dicom-ann", tmp_path / "x")
    masked = tmp_path / "masked"
    shutil.copytree(dicom_results, masked)
    run = json.loads((masked / "run.json").read_text())
    (masked / "run.json").write_text(json.dumps(run | {"blinding": {"key_sha256": "x"}}))
    with pytest.raises(UsageError, match="histoquant unblind"):
        export_results(masked, "dicom-ann", tmp_path / "x", slides=SHARED.parent)


def test_vessels_aggregates_and_lumens_are_groups(finished_results: Path, tmp_path: Path) -> None:
    """On the drawn CD31 slide, under a header that an archive would hold for it."""
    from pydicom.uid import VLWholeSlideMicroscopyImageStorage, generate_uid

    from histoquant.export.dicom_annotations import write_dicom_annotations
    from histoquant.export.slide_objects import read_objects

    source = Dataset()
    source.SOPClassUID = VLWholeSlideMicroscopyImageStorage
    for name in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID"):
        setattr(source, name, generate_uid(entropy_srcs=[name]))
    for name in ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber"):
        setattr(source, name, "")
    source.StudyID, source.StudyDate, source.StudyTime, source.Modality = "", "", "", "SM"
    source.ContainerIdentifier, source.SpecimenDescriptionSequence = "", []
    objects = read_objects(finished_results, "P01_T1_V1_CD31")
    write_dicom_annotations(tmp_path / "a.dcm", objects, source)
    groups = {group.label: group for group in annread(tmp_path / "a.dcm").get_annotation_groups()}
    vessels = objects.vessels[objects.vessels["vessel"].astype(bool)]
    assert groups["Vessel"].number_of_annotations == len(vessels) > 3
    assert groups["Lumen"].number_of_annotations == sum(map(len, objects.vessels["lumens_xy_px"])) > 0
    names, values, _ = groups["Vessel"].get_measurements()
    column = [name.value for name in names].index("outer_area_um2")
    np.testing.assert_array_equal(values[:, column], vessels["outer_area_um2"].to_numpy(np.float32))


def test_a_slide_that_is_no_dicom_is_refused(
    finished_results: Path, finished_slides: Path, tmp_path: Path
) -> None:
    with pytest.raises(StoreError, match="is no DICOM slide"):
        export_results(finished_results, "dicom-ann", tmp_path, slides=finished_slides)
    assert not list(tmp_path.iterdir())
