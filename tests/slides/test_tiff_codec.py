"""What a JPEG stream says of itself, however often streams like it were asked before."""

from __future__ import annotations

import imagecodecs
import numpy as np

from histoquant.slides.tiff_codec import decode_jpeg, jpeg_frame


def _jpeg(height: int, width: int, seed: int) -> bytes:
    rgb = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return bytes(imagecodecs.jpeg8_encode(rgb, level=80))


def test_frames_are_told_of_each_stream_whatever_came_before() -> None:
    one, same, other = _jpeg(32, 48, 1), _jpeg(32, 48, 2), _jpeg(48, 32, 1)
    for _ in range(2):
        assert jpeg_frame(one) == jpeg_frame(same) == (48, 32, 3, 8)
        assert jpeg_frame(other) == (32, 48, 3, 8)
        frame = one.index(b"\xff\xc0")
        assert jpeg_frame(one[: frame + 8]) is None  # cut within the header
        assert jpeg_frame(b"") is None
        assert jpeg_frame(b"no stream") is None


def test_what_a_jfif_stream_is_taken_for_needs_not_be_said() -> None:
    stream = _jpeg(32, 48, 1)
    start = stream.index(b"\xff\xe0")
    without = stream[:start] + stream[start + 18 :]
    assert stream[start + 4 : start + 8] == b"JFIF"
    said = imagecodecs.jpeg8_decode(stream, colorspace="YCBCR", outcolorspace="RGB")
    as_stored = imagecodecs.jpeg8_decode(stream, colorspace="RGB", outcolorspace="RGB")
    for data in (stream, without, stream):
        np.testing.assert_array_equal(decode_jpeg(data, None, (32, 48, 3), ycbcr=True), said)
        np.testing.assert_array_equal(decode_jpeg(data, None, (32, 48, 3), ycbcr=False), as_stored)
