"""Painting on RGB arrays: batches of dots and polygons, hatching, map outlines; all in place, all fast."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from histoquant.report.marks import Polygons
from histoquant.report.palette import HALO_LIGHT, RGB, Hatch

Picture = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.uint8]

# From here on thick lines are thin ones grown: cv2 draws a thick antialiased segment as a polygon of its own,
# which takes ten times as long as a thin one.
_MANY_CORNERS = 10_000
_STRIP_BYTES = 1 << 18
_STEPS = 128  # of a pixel of a map: weights of two such steps and a byte fit the 24 bits of single precision


def check_rgb(rgb: npt.NDArray[np.uint8]) -> Picture:
    """Return ``rgb`` as contiguous uint8 (h, w, 3), or say what is wrong with it."""
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or rgb.size == 0:
        raise ValueError(f"a picture must be uint8 (h, w, 3), not {rgb.dtype} {rgb.shape}")
    return np.ascontiguousarray(rgb)


def fit(rgb: Picture, longest_px: int) -> Picture:
    """Shrink so that the longest side is at most ``longest_px``; never enlarge."""
    h, w = rgb.shape[:2]
    factor = longest_px / max(h, w)
    if factor >= 1:
        return rgb
    size = (max(1, round(w * factor)), max(1, round(h * factor)))
    return shrunk(rgb, size)


def shrunk(rgb: Picture, size: tuple[int, int]) -> Picture:
    """A picture at a smaller width and height: means of four as often as it is halved, then bilinear.

    The mean over areas that are no whole pixels takes seven times as long and looks the same.
    """
    width, height = size
    while rgb.shape[1] >= 2 * width and rgb.shape[0] >= 2 * height:
        half = (rgb.shape[1] // 2, rgb.shape[0] // 2)
        rgb = np.asarray(cv2.resize(rgb[: 2 * half[1], : 2 * half[0]], half, interpolation=cv2.INTER_AREA))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def wash(rgb: Picture, lift: float, gray: float, out: Picture | None = None) -> Picture:
    """Fade a picture: mix ``gray`` of its luminance in, then ``lift`` of white, both 0 to 1."""
    keep, pale = (1.0 - lift) * (1.0 - gray), (1.0 - lift) * gray
    out = np.empty_like(rgb) if out is None else out
    # strip after strip, which stay in the cache: a whole overlay in grey would be three more pictures
    width = rgb.shape[1]
    rows = max(1, _STRIP_BYTES // (3 * width))
    luminance, as_rgb = np.empty((rows, width), np.uint8), np.empty((rows, width, 3), np.uint8)
    for top in range(0, len(rgb), rows):
        strip = rgb[top : top + rows]
        high = len(strip)
        cv2.cvtColor(strip, cv2.COLOR_RGB2GRAY, luminance[:high])
        cv2.cvtColor(luminance[:high], cv2.COLOR_GRAY2RGB, as_rgb[:high])
        cv2.addWeighted(strip, keep, as_rgb[:high], pale, 255.0 * lift, out[top : top + high])
    return out


def blend(image: Picture, mask: Mask, color: RGB, alpha: float) -> None:
    """Mix ``color`` into ``image`` where ``mask`` (0 to 255) says so, at most ``alpha``."""
    from histoquant.report.mixing import mix  # compiled: a page without pictures needs none

    mix(image, np.ascontiguousarray(mask), color, alpha)


def paint_dots(
    image: Picture,
    xy: npt.NDArray[np.float64],
    color: RGB,
    diameter_px: float,
    halo_px: float = 0.0,
    alpha: float = 1.0,
) -> None:
    """Paint discs of opacity ``alpha``; ``halo_px`` gives each a white rim, all rims below all discs."""
    from histoquant.report.dots import paint_discs  # compiled: a page without pictures needs none

    if not len(xy):
        return
    if halo_px > 0:
        paint_discs(image, xy, HALO_LIGHT, diameter_px + 2 * halo_px, 0.9)
    paint_discs(image, xy, color, diameter_px, alpha)


def stroke(image: Picture, polygons: Polygons, color: RGB, width_px: int, halo: RGB | None = None) -> None:
    """Draw closed outlines ``width_px`` wide, over a halo one to two pixels wider on each side."""
    from histoquant.report.stairs import draw_closed  # compiled: a page without pictures needs none

    if not len(polygons.points):
        return
    outlines = polygons.corners, polygons.offsets
    rim = width_px + 2 * max(1, round(width_px / 2))
    if width_px > 1 and len(polygons.points) > _MANY_CORNERS:
        line = np.zeros(image.shape[:2], np.uint8)
        draw_closed(line[:, :, None], *outlines, (255,), 1)
        # nowhere pale; before they grow, because the largest value stays the largest
        line = np.asarray(cv2.convertScaleAbs(line, alpha=1.6), np.uint8)
        if halo is not None:
            blend(image, _thick(line, rim), halo, 1.0)
        blend(image, _thick(line, width_px), color, 1.0)
        return
    if halo is not None:
        draw_closed(image, *outlines, halo, rim)
    draw_closed(image, *outlines, color, width_px)


def _thick(line: Mask, width_px: int) -> Mask:
    """Return thin antialiased lines as wide as cv2 draws this width: one pixel more."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width_px + 1, width_px + 1))
    return np.asarray(cv2.dilate(line, disc), np.uint8)


def fill_mask(shape: tuple[int, int], polygons: Polygons) -> Mask:
    """Return the union of the polygons as uint8 0/255 (h, w); overlaps stay filled."""
    from histoquant.report.stairs import fill

    mask = np.zeros(shape, np.uint8)
    fill(mask, polygons.corners, polygons.offsets)
    return mask


def warp_map(
    values: npt.NDArray[np.uint8],
    um_per_map_px: tuple[float, float],
    shape: tuple[int, int],
    mpp: float,
    origin_um: tuple[float, float] = (0.0, 0.0),
    smooth: bool = False,
) -> Mask:
    """Lay a coarse map over a picture of ``shape`` (h, w) at ``mpp`` whose corner lies at ``origin_um``."""
    sx, sy = mpp / um_per_map_px[0], mpp / um_per_map_px[1]
    steps = _whole_steps(sy), _whole_steps(sx)
    if smooth and origin_um == (0.0, 0.0) and all(steps):
        from histoquant.report.laying import laid_smooth  # compiled: a page without pictures needs none

        return np.asarray(laid_smooth(values, shape, steps), np.uint8)  # the same in a quarter of the time
    ox, oy = origin_um[0] / um_per_map_px[0], origin_um[1] / um_per_map_px[1]
    matrix = np.array([[sx, 0, 0.5 * sx - 0.5 + ox], [0, sy, 0.5 * sy - 0.5 + oy]])
    flags = (cv2.INTER_LINEAR if smooth else cv2.INTER_NEAREST) | cv2.WARP_INVERSE_MAP
    size = (shape[1], shape[0])
    return np.asarray(cv2.warpAffine(np.ascontiguousarray(values), matrix, size, flags=flags), np.uint8)


def _whole_steps(share: float) -> int:
    """How many 128ths of a map's pixel a picture's is, up to 64; 0 if not whole in single precision."""
    steps = round(share * _STEPS)
    return steps if 1 <= steps <= _STEPS // 2 and np.float32(share) == np.float32(steps / _STEPS) else 0


def half(soft: Mask) -> Mask:
    """255 where a mask with soft edges reaches one half, 0 elsewhere."""
    return np.asarray(cv2.threshold(soft, 127, 255, cv2.THRESH_BINARY)[1], np.uint8)


def contour_polygons(mask: Mask) -> Polygons:
    """Return the outlines of a 0/255 mask, holes included."""
    found, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    return Polygons.pack([c.reshape(-1, 2) for c in found if len(c) >= 3])


def hatch_pattern(shape: tuple[int, int], pattern: str, period_px: int, line_px: int) -> Mask:
    """Return one of the palette's line patterns as uint8 0/255 (h, w)."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    period, line = max(2, period_px), max(1, line_px)
    strokes = {
        "/": lambda: (x + y) % period < line,
        "\\": lambda: (x - y) % period < line,
        "x": lambda: ((x + y) % period < line) | ((x - y) % period < line),
        "|": lambda: np.broadcast_to(x % period < line, shape),
        "-": lambda: np.broadcast_to(y % period < line, shape),
        "+": lambda: (x % period < line) | (y % period < line),
        ".": lambda: (x % period < 2 * line) & (y % period < 2 * line),
    }
    on = strokes[pattern]()
    return np.asarray(on, np.uint8) * np.uint8(255)


def paint_hatch(image: Picture, mask: Mask, hatch: Hatch, period_px: int) -> None:
    """Hatch and outline ``mask`` (0/255): a pale veil, the pattern, then a solid edge."""
    if not mask.any():
        return
    line = max(1, period_px // 6)
    blend(image, mask, HALO_LIGHT, 0.45)
    blend(image, mask & hatch_pattern(mask.shape, hatch.pattern, period_px, line), hatch.color, 0.9)
    stroke(image, contour_polygons(mask), hatch.color, line)
