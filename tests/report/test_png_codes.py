"""PNGs as they are written here are read by every decoder, and take about the bytes that entropy asks for."""

from __future__ import annotations

import io
import zlib

import cv2
import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from histoquant.report.pictures import encode_png
from histoquant.report.png_codes import code_lengths, idat_parts


def _is_read_by_every_decoder(picture: np.ndarray) -> None:
    data = encode_png(picture)
    by_opencv = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert by_opencv is not None
    assert np.array_equal(by_opencv[:, :, ::-1], picture)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), picture)
    assert np.array_equal(imagecodecs.png_decode(data), picture)
    assert np.array_equal(imagecodecs.spng_decode(data), picture)


@settings(deadline=None, max_examples=80)
@given(
    seed=st.integers(0, 2**32),
    shape=st.tuples(st.integers(1, 70), st.integers(1, 400)),
    values=st.sampled_from([1, 2, 5, 256]),
    set_share=st.sampled_from([0.0, 0.003, 0.1, 1.0]),
)
def test_noise_flats_and_specks_are_read_as_they_were(
    seed: int, shape: tuple[int, int], values: int, set_share: float
) -> None:
    generator = np.random.default_rng(seed)
    picture = np.full((*shape, 3), 255, np.uint8)
    noise = generator.integers(0, values, picture.shape, dtype=np.uint8)
    _is_read_by_every_decoder(np.where(generator.random(shape)[..., None] < set_share, noise, picture))


@pytest.mark.parametrize("width", [1, 2, 3, 85, 86, 87, 88, 172, 173, 1000])
def test_runs_of_every_length_are_read_as_they_were(width: int) -> None:
    picture = np.full((97, width, 3), 240, np.uint8)
    picture[np.arange(0, 97, 5), np.arange(0, 97, 5) % width] = (3, 200, 90)
    _is_read_by_every_decoder(picture)


def test_a_picture_of_tissue_is_read_as_it_was() -> None:
    rough = np.random.default_rng(3).normal(0, 60, (700, 1500, 3)).astype(np.float32)
    tissue = np.clip(170 + cv2.GaussianBlur(rough, (0, 0), 2.0) * 4, 0, 255).astype(np.uint8)
    tissue[:200] = 245
    cv2.circle(tissue, (700, 400), 90, (250, 50, 0), 2, cv2.LINE_AA)
    _is_read_by_every_decoder(tissue)
    coded = sum(map(len, idat_parts(tissue)))
    rows = tissue.reshape(len(tissue), -1)
    up = np.diff(rows, axis=0, prepend=np.zeros((1, rows.shape[1]), np.uint8))
    assert coded < len(zlib.compress(up.tobytes(), 6)), "the row above, with repetitions looked for"


def test_flats_take_next_to_nothing_and_noise_no_more_than_itself() -> None:
    flat = np.full((1000, 1000, 3), 255, np.uint8)
    assert sum(map(len, idat_parts(flat))) < 0.003 * flat.size
    noise = np.random.default_rng(0).integers(0, 256, flat.shape, dtype=np.uint8)
    assert sum(map(len, idat_parts(noise))) < 1.003 * noise.size


def test_what_is_coded_is_a_whole_zlib_stream() -> None:
    picture = np.random.default_rng(2).integers(90, 100, (37, 51, 3), dtype=np.uint8)
    decoder = zlib.decompressobj()
    filtered = decoder.decompress(b"".join(idat_parts(picture)))
    assert decoder.eof
    assert not decoder.unused_data
    assert len(filtered) == 37 * (51 * 3 + 1)
    assert set(filtered[:: 51 * 3 + 1]) == {4}


def test_pictures_in_pieces_give_the_same_bytes() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    assert encode_png(picture[::2, ::-1]) == encode_png(picture[::2, ::-1].copy())


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32), steepness=st.floats(0, 14), symbols=st.integers(2, 286))
def test_codes_are_complete_short_enough_and_near_the_entropy(
    seed: int, steepness: float, symbols: int
) -> None:
    generator = np.random.default_rng(seed)
    counts = 1 + np.exp(generator.uniform(0, steepness, symbols)).astype(np.int64)
    lengths = code_lengths(counts).astype(np.int64)
    assert lengths.min() >= 1
    assert lengths.max() <= 13
    assert (2.0**-lengths).sum() == 1.0
    assert (np.diff(lengths[np.argsort(counts, kind="stable")]) <= 0).all(), "the rarer, the longer"
    shares = counts / counts.sum()
    entropy = -(shares * np.log2(shares)).sum()
    # Gallager (1978): no more above it than the largest share and 0.086; the rest is the limit of 13 bits
    assert (shares * lengths).sum() <= entropy + shares.max() + 0.086 + 0.05
