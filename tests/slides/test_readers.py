"""Readers against OpenSlide, against each other, and against what the test wrote."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import openslide
import psutil
import pytest
import tifffile

from histoquant.errors import SlideFailedError
from histoquant.slides import Slide, open_slide, preflight
from histoquant.slides.openslide_slide import OpenSlideSlide
from histoquant.slides.slide import SlideFacts

Writer = Callable[..., Path]
Texture = Callable[..., np.ndarray]


def _whole(path: Path, **options: float) -> tuple[np.ndarray, np.ndarray]:
    with open_slide(path, **options) as slide:
        return slide.read_level0(0, 0, *slide.size_px)


def _reference(path: Path, x: int, y: int, width: int, height: int) -> np.ndarray:
    with openslide.OpenSlide(path) as handle:
        return np.asarray(handle.read_region((x, y), 0, (width, height)))[..., :3]


def _facts(path: Path, size: tuple[int, int]) -> SlideFacts:
    return SlideFacts(path, path.stem, "openslide", "TIFF", size, (0.5, 0.5), "test")


@pytest.mark.parametrize("name", ["CMU-1-Small-Region.svs", "small.svs", "boxes.tiff"])
def test_shared_files_equal_openslide(shared: Path, name: str) -> None:
    path = shared / "wsi" / name
    rgb, valid = _whole(path, mpp=0.5)
    assert valid.all()
    assert np.array_equal(rgb, _reference(path, 0, 0, rgb.shape[1], rgb.shape[0]))


@pytest.mark.parametrize("name", ["ki67-two-scanners/OS-2-vsi.ome.tif", "he-annotated/OS-1-detail.ome.tif"])
def test_ome_tiff_that_openslide_cannot_open(shared: Path, name: str) -> None:
    path = shared / name
    rgb, valid = _whole(path)
    with open_slide(path) as slide:
        assert slide.reader == "tiff"
        assert slide.mpp_source == "OME-XML PhysicalSizeX"
        assert slide.mpp == pytest.approx(0.34605 if "OS-2" in name else 0.2271, rel=1e-4)
        assert slide.name == Path(name).name.removesuffix(".ome.tif")
        assert slide.flags == ()
    assert valid.all()
    assert np.abs(rgb.astype(int) - tifffile.imread(path)).max() <= 1


def test_dicom_and_svs_are_the_same_tissue(shared: Path) -> None:
    folder = shared / "wsi" / "CMU-1-Small-Region-dicom"
    with open_slide(shared / "wsi" / "CMU-1-Small-Region.svs") as svs, open_slide(folder) as dicom:
        assert dicom.name == folder.name
        assert (dicom.reader, svs.reader) == ("openslide", "tiff")
        assert dicom.size_px == svs.size_px
        assert dicom.mpp == svs.mpp == 0.499
        one, other = svs.read(0, 0, 2220, 2967).astype(int), dicom.read(0, 0, 2220, 2967).astype(int)
        blocks = [slide.read(0, 0, 138, 185, mpp=16 * 0.499).astype(int) for slide in (svs, dicom)]
    # the DICOM copy was compressed once more, so single pixels differ and means do not
    assert np.abs(one - other).mean() < 4
    assert np.abs(blocks[0] - blocks[1]).max() <= 4
    in_place = np.abs(one - other).mean()
    assert np.abs(one[:, 1:] - other[:, :-1]).mean() > 2 * in_place
    assert np.abs(one[1:] - other[:-1]).mean() > 2 * in_place
    with open_slide(sorted(folder.glob("*.dcm"))[0]) as single:
        assert single.size_px == (2220, 2967)


CODECS = {
    "jpeg-420": {"compression": "jpeg", "subsampling": (2, 2)},
    "jpeg-444": {"compression": "jpeg", "subsampling": (1, 1)},
    "jpeg-422": {"compression": "jpeg", "subsampling": (2, 1)},
    "lzw": {"compression": "lzw"},
    "lzw-predictor": {"compression": "lzw", "predictor": True},
    "deflate": {"compression": "deflate"},
    "deflate-predictor": {"compression": "deflate", "predictor": True},
    "none": {"compression": None},
    "none-bigtiff": {"compression": None, "bigtiff": True},
}


@pytest.mark.parametrize("codec", CODECS)
def test_tiled_tiff_equals_openslide(codec: str, write_tiff: Writer, texture: Texture) -> None:
    path = write_tiff(texture(150, 203), **CODECS[codec])
    rgb, valid = _whole(path)
    assert valid.all()
    assert np.array_equal(rgb, _reference(path, 0, 0, 203, 150))
    if "jpeg" not in codec:
        assert np.array_equal(rgb, texture(150, 203))


@pytest.mark.parametrize("compression", ["zstd", "packbits", "webp", "jpeg2000", "big-endian"])
def test_codecs_of_other_writers(compression: str, write_tiff: Writer, texture: Texture) -> None:
    options = {"compressionargs": {"lossless": True}} if compression == "webp" else {}
    if compression == "jpeg2000":
        options = {"compressionargs": {"reversible": True}}
    if compression == "big-endian":
        compression, options = "deflate", {"byteorder": ">", "predictor": True}
    path = write_tiff(texture(150, 203), compression=compression, **options)
    assert np.array_equal(_whole(path)[0], texture(150, 203))


@pytest.mark.parametrize("code", [33003, 33005])
def test_aperio_jpeg2000_equals_openslide(code: int, tmp_path: Path, texture: Texture) -> None:
    chroma = np.indices((256, 256)).transpose(1, 2, 0).astype(np.uint8)
    pixels = np.concatenate([np.full((256, 256, 1), 120, np.uint8), chroma], axis=2)
    pixels[:64] = texture(64, 256)
    tiles = [
        imagecodecs.jpeg2k_encode(
            np.ascontiguousarray(pixels[y : y + 64, x : x + 64]),
            codecformat="j2k",
            reversible=True,
            mct=False,
        )
        for y in range(0, 256, 64)
        for x in range(0, 256, 64)
    ]
    path = tmp_path / "jp2k.svs"
    tifffile.imwrite(
        path, iter(tiles), shape=pixels.shape, dtype=np.uint8, tile=(64, 64), photometric="rgb",
        compression=code, metadata=None, description="Aperio Image Library\r\n256x256|MPP = 0.25",
    )  # fmt: skip
    rgb, _ = _whole(path)
    assert np.array_equal(rgb, _reference(path, 0, 0, 256, 256))
    assert np.array_equal(rgb, pixels) == (code == 33005)


@pytest.mark.parametrize("code", [33003, 33004, 34712])
def test_jpeg2000_of_other_writers_is_rgb(code: int, tmp_path: Path, texture: Texture) -> None:
    """Bio-Formats and QuPath tag their RGB streams with Aperio's code for YCbCr."""
    pixels, path = texture(128, 128), tmp_path / "x.ome.tif"
    tiles = [
        imagecodecs.jpeg2k_encode(
            np.ascontiguousarray(pixels[y : y + 64, x : x + 64]), codecformat="j2k", reversible=True, mct=True
        )
        for y, x in ((0, 0), (0, 64), (64, 0), (64, 64))
    ]
    tifffile.imwrite(
        path, iter(tiles), shape=pixels.shape, dtype=np.uint8, tile=(64, 64), photometric="rgb",
        compression=code, metadata={"PhysicalSizeX": 0.25, "PhysicalSizeXUnit": "µm"},
    )  # fmt: skip
    assert np.array_equal(_whole(path)[0], pixels)


def test_jpeg2000_with_subsampled_chroma_goes_to_openslide(texture: Texture) -> None:
    from histoquant.slides.tiff_codec import jpeg2000_frame

    stream = bytearray(imagecodecs.jpeg2k_encode(texture(64, 64), codecformat="j2k"))
    assert jpeg2000_frame(bytes(stream)) == (64, 64, 3, 1)
    size = stream.find(b"\xff\x51")
    stream[size + 40 + 3 + 1] = 2  # XRsiz of the second component
    assert jpeg2000_frame(bytes(stream)) == (64, 64, 3, 2)


def test_svs_like_file(write_svs: Writer, texture: Texture) -> None:
    path = write_svs(texture(300, 421))
    with open_slide(path) as slide:
        assert isinstance(slide, Slide)
        assert (slide.size_px, slide.mpp, slide.mpp_source) == ((421, 300), 0.25, "aperio.MPP")
        assert (slide.name, slide.reader, slide.flags) == ("P01_T0_CD68", "tiff", ())
        rgb, _ = slide.read_level0(0, 0, 421, 300)
        halved, whole = slide.read(0, 0, 210, 150), slide.read(0, 0, 421, 300, mpp=None)
    assert np.array_equal(rgb, _reference(path, 0, 0, 421, 300))
    assert np.array_equal(rgb, whole)
    boxes = rgb[:300, :420].reshape(150, 2, 210, 2, 3).astype(int).sum(axis=(1, 3))
    assert np.array_equal(halved, (boxes + 2) // 4)
    assert "PHI_CANARY" not in repr(preflight(path)) + repr(slide.facts)
    assert preflight(path).levels == 2


def test_jpeg_colour_follows_the_stream(
    tmp_path: Path, texture: Texture, jpeg_tiles: Callable[..., list[bytes]]
) -> None:
    """YCbCr in a JFIF stream under an RGB tag, and true RGB without any marker: both come out right."""
    pixels = texture(128, 128)
    for name, space, options in (
        ("jfif.tif", "YCBCR", {"subsampling": "444"}),
        ("plain.tif", "RGB", {"colorspace": "RGB", "subsampling": "444"}),
    ):
        tiles = jpeg_tiles(pixels, 64, level=95, outcolorspace=space, **options)
        path = tmp_path / name
        tifffile.imwrite(
            path, iter(tiles), shape=pixels.shape, dtype=np.uint8, tile=(64, 64), photometric="rgb",
            compression="jpeg", metadata=None, resolution=(20000, 20000), resolutionunit="CENTIMETER",
        )  # fmt: skip
        assert (
            np.abs(_whole(path)[0].astype(int) - pixels).mean() < 4
        )  # 95 % quality; wrong colours differ by 40


@pytest.mark.parametrize("layout", ["planar", "planar-jpeg", "channels", "pyramid", "interleaved"])
def test_ome_layouts(layout: str, tmp_path: Path, texture: Texture) -> None:
    pixels, path = texture(150, 203), tmp_path / "x.ome.tif"
    options: dict[str, object] = {"tile": (64, 64), "compression": "jpeg" if "jpeg" in layout else "deflate"}
    metadata = {
        "PhysicalSizeX": 250.0,
        "PhysicalSizeXUnit": "nm",
        "PhysicalSizeY": 250.0,
        "PhysicalSizeYUnit": "nm",
    }
    with tifffile.TiffWriter(path, bigtiff=True) as tiff:
        if layout.startswith("planar"):
            planes = np.ascontiguousarray(np.moveaxis(pixels, 2, 0))
            tiff.write(planes, photometric="rgb", planarconfig="separate", metadata=metadata, **options)
        elif layout == "channels":
            planes = np.ascontiguousarray(np.moveaxis(pixels, 2, 0))
            tiff.write(planes, photometric="minisblack", metadata=metadata | {"axes": "CYX"}, **options)
        elif layout == "pyramid":
            tiff.write(pixels, photometric="rgb", subifds=2, metadata=metadata, **options)
            tiff.write(np.ascontiguousarray(pixels[::2, ::2]), photometric="rgb", subfiletype=1, **options)
            tiff.write(np.ascontiguousarray(pixels[::4, ::4]), photometric="rgb", subfiletype=1, **options)
        else:
            tiff.write(pixels, photometric="rgb", metadata=metadata, **options)
    with open_slide(path) as slide:
        rgb, valid = slide.read_level0(0, 0, *slide.size_px)
        assert slide.mpp == pytest.approx(0.25)
        assert slide.flags == (("SEPARATE_CHANNELS",) if layout == "channels" else ())
    assert valid.all()
    assert np.abs(rgb.astype(int) - pixels).mean() < (4 if "jpeg" in layout else 1e-9)
    assert preflight(path).levels == (3 if layout == "pyramid" else 1)


@pytest.mark.parametrize("rows", [1, 7, 150, None])
@pytest.mark.parametrize("compression", [None, "lzw", "jpeg"])
def test_stripped_tiff_is_a_field(
    rows: int | None, compression: str | None, write_tiff: Writer, texture: Texture
) -> None:
    if compression == "jpeg" and rows in (1, 7):
        rows = 16  # JPEG strips hold whole blocks
    path = write_tiff(texture(150, 203), tile=None, rowsperstrip=rows, compression=compression)
    with open_slide(path) as slide:
        assert slide.reader == "image"
        rgb, valid = slide.read_level0(0, 0, 203, 150)
    assert valid.all()
    assert np.abs(rgb.astype(int) - texture(150, 203)).mean() < (5 if compression == "jpeg" else 1e-9)


def test_one_large_uncompressed_strip_is_read_in_parts(
    write_tiff: Writer, texture: Texture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("histoquant.slides.tiff_layout._STRIP_PX", 2000)
    path = write_tiff(texture(150, 203), tile=None, rowsperstrip=150)
    with open_slide(path) as slide:
        assert slide._layout.chunk_px == (203, 9)
        assert np.array_equal(slide.read_level0(0, 0, 203, 150)[0], texture(150, 203))


@pytest.mark.parametrize("name", ["field.png", "field.jpg"])
def test_photograph(name: str, tmp_path: Path, texture: Texture) -> None:
    pixels, path = texture(120, 90), tmp_path / name
    encode = imagecodecs.png_encode if name.endswith("png") else imagecodecs.jpeg8_encode
    path.write_bytes(encode(pixels))
    with open_slide(path, mpp=0.3) as slide:
        assert (slide.reader, slide.name, slide.size_px) == ("image", "field", (90, 120))
        assert (slide.mpp, slide.mpp_source) == (0.3, "option --mpp")
        rgb, valid = slide.read_level0(-3, 5, 90, 90)
    assert valid[:, 3:].all()
    assert not valid[:, :3].any()
    assert np.abs(rgb[:, 3:].astype(int) - pixels[5:95, :87]).mean() < (1e-9 if name.endswith("png") else 6)


def test_transparent_pixels_are_white_and_invalid(
    tmp_path: Path, write_tiff: Writer, texture: Texture
) -> None:
    alpha = np.full((64, 64, 1), 255, np.uint8)
    alpha[10:20] = 0
    alpha[30:40] = 200
    pixels = np.concatenate([texture(64, 64), alpha], axis=2)
    png = tmp_path / "alpha.png"
    png.write_bytes(imagecodecs.png_encode(pixels))
    tiff = write_tiff(pixels, extrasamples=["unassalpha"], compression="lzw")
    for path in (png, tiff):
        rgb, valid = _whole(path, mpp=0.5)
        assert np.array_equal(valid, alpha[..., 0] >= 128)
        assert (rgb[10:20] == 255).all()
        assert np.array_equal(rgb[45:], pixels[45:, :, :3])
        assert np.abs(rgb[30:40] - (pixels[30:40, :, :3] * (200 / 255) + 55)).max() <= 1


def _make_sparse(path: Path) -> None:
    """Take away the tile in column 1, row 1 of a 4-column grid, as sparse writers do."""
    with tifffile.TiffFile(path) as tiff:
        places = [tiff.pages[0].tags[code].valueoffset + 4 * 5 for code in (324, 325)]
    data = bytearray(path.read_bytes())
    for place in places:
        data[place : place + 4] = bytes(4)
    path.write_bytes(data)


@pytest.mark.parametrize("reader", ["tiff", "openslide"])
def test_sparse_tiles_are_white_and_invalid(reader: str, write_tiff: Writer, texture: Texture) -> None:
    path = write_tiff(texture(160, 200), compression="jpeg")
    intact, _ = _whole(path)
    _make_sparse(path)
    slide = open_slide(path) if reader == "tiff" else OpenSlideSlide(_facts(path, (200, 160)), path)
    with slide:
        rgb, valid = slide.read_level0(0, 0, 200, 160)
        halved, halved_valid = slide.plane(1.0).read(0, 0, 100, 80)
    hole = np.zeros((160, 200), bool)
    hole[64:128, 64:128] = True
    assert np.array_equal(valid, ~hole)
    assert (rgb[hole] == 255).all()
    assert np.array_equal(rgb[~hole], intact[~hole])
    assert np.array_equal(halved_valid, ~hole[::2, ::2])
    assert (halved[hole[::2, ::2]] == 255).all()


@pytest.mark.parametrize("reader", ["tiff", "openslide", "image"])
def test_windows_anywhere_equal_crops(
    reader: str, write_tiff: Writer, tmp_path: Path, texture: Texture
) -> None:
    path = write_tiff(texture(150, 203), compression="deflate")
    if reader == "image":
        path = tmp_path / "field.png"
        path.write_bytes(imagecodecs.png_encode(texture(150, 203)))
    slide = (
        OpenSlideSlide(_facts(path, (203, 150)), path) if reader == "openslide" else open_slide(path, mpp=0.5)
    )
    frame = np.full((350, 403, 3), 255, np.uint8)
    frame[100:250, 100:303] = texture(150, 203)
    held = np.zeros(frame.shape[:2], bool)
    held[100:250, 100:303] = True
    rng = np.random.default_rng(1)
    with slide:
        for _ in range(60):
            x, y = int(rng.integers(-100, 240)), int(rng.integers(-100, 190))
            w, h = int(rng.integers(0, 303 - x)), int(rng.integers(0, 250 - y))
            rgb, valid = slide.read_level0(x, y, w, h)
            assert np.array_equal(valid, held[y + 100 : y + 100 + h, x + 100 : x + 100 + w])
            if w and h:
                assert np.array_equal(rgb, frame[y + 100 : y + 100 + h, x + 100 : x + 100 + w])


def test_read_locates_windows_in_level0(write_svs: Writer, texture: Texture) -> None:
    with open_slide(write_svs(texture(300, 421))) as slide:
        plane = slide.plane(0.5)
        rgb, valid = plane.read(0, 0, *plane.size_px)
        assert np.array_equal(slide.read(100, 60, 50, 40, mpp=0.5), rgb[30:70, 50:100])
        part, held = slide.read_with_valid(-20, 280, 50, 40, mpp=0.5)
        assert not held[:, :10].any()
        assert np.array_equal(part[:10, 10:], rgb[140:150, :40])
        assert slide.read(0, 0, 8, 8, mpp=8.0).shape == (8, 8, 3)
        assert valid[:, :210].all()


@pytest.mark.parametrize("reader", ["tiff", "openslide"])
def test_threads_read_what_one_reads(reader: str, write_tiff: Writer, texture: Texture) -> None:
    path = write_tiff(texture(400, 400), compression="jpeg")
    whole, _ = _whole(path)
    slide = open_slide(path) if reader == "tiff" else OpenSlideSlide(_facts(path, (400, 400)), path)
    wrong: list[object] = []

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        try:
            for _ in range(150):
                x, y = (int(v) for v in rng.integers(0, 300, 2))
                rgb, _ = slide.read_level0(x, y, 100, 100)
                if not np.array_equal(rgb, whole[y : y + 100, x : x + 100]):
                    wrong.append((x, y))
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(2)]
    with slide:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_handles_do_not_pile_up(write_tiff: Writer, texture: Texture, shared: Path) -> None:
    path = write_tiff(texture(100, 100), compression="jpeg")
    dicom = shared / "wsi" / "boxes_0.dcm"
    process = psutil.Process()

    def use(forget: bool) -> None:
        slide = open_slide(path)
        slide.read_level0(0, 0, 10, 10)
        if not forget:
            slide.close()
            slide.close()

    with open_slide(dicom) as slide:
        slide.read_level0(0, 0, 4, 4)
    use(False)
    before = process.num_fds()
    for i in range(200):
        use(forget=i % 2 == 0)
        if i % 10 == 0:
            with open_slide(dicom) as slide:
                slide.read_level0(0, 0, 4, 4)
    assert process.num_fds() == before


def test_colour_profile_leaves_as_a_digest_only(write_tiff: Writer, tmp_path: Path, texture: Texture) -> None:
    from hashlib import sha256

    from PIL import Image, ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    tiff = write_tiff(texture(64, 64), iccprofile=profile)
    jpeg = tmp_path / "a.jpg"
    Image.fromarray(texture(64, 64)).save(jpeg, icc_profile=profile)
    for path in (tiff, jpeg):
        with open_slide(path, mpp=0.5) as slide:
            assert slide.icc_sha256 == sha256(profile).hexdigest()
    plain = write_tiff(texture(64, 64), "plain.tif")
    with open_slide(plain) as slide, open_slide(tiff) as with_profile:
        assert slide.icc_sha256 is None
        assert np.array_equal(slide.read(0, 0, 64, 64), with_profile.read(0, 0, 64, 64))


def test_halo_is_not_decoded_twice(
    write_tiff: Writer, texture: Texture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from histoquant.slides import tiff_slide

    calls: list[int] = []
    decode = tiff_slide.decode_jpeg

    def counting(*args: object, **options: object) -> np.ndarray:
        calls.append(1)
        return decode(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(tiff_slide, "decode_jpeg", counting)
    with open_slide(write_tiff(texture(256, 256), compression="jpeg")) as slide:
        for x in (0, 64, 128):
            slide.read_level0(x - 16, 0, 96, 256)
    assert len(calls) == 16


def test_cache_stays_within_its_limit() -> None:
    from histoquant.slides.tiles import TileCache

    cache = TileCache(10_000)
    tile = (np.zeros((32, 32, 3), np.uint8), None)
    for i in range(20):
        cache.put((i, 0), tile)
    assert [i for i in range(20) if cache.get((i, 0))[0]] == [17, 18, 19]
    cache.put((99, 0), (np.zeros((100, 100, 3), np.uint8), None))
    assert cache.get((99, 0))[0]
    assert not cache.get((19, 0))[0]


def test_reading_a_closed_slide_is_an_error(write_tiff: Writer, texture: Texture) -> None:
    path = write_tiff(texture(64, 64))
    for slide in (open_slide(path), OpenSlideSlide(_facts(path, (64, 64)), path)):
        slide.close()
        with pytest.raises(SlideFailedError, match="closed"):
            slide.read_level0(0, 0, 4, 4)
