"""The strip under a picture: who it is, what the colours mean with counts, and a scale bar."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from histoquant.report.canvas import hatch_pattern
from histoquant.report.marks import Caption
from histoquant.report.palette import INK, INK_SOFT, PAPER, RGB, RULE, Hatch

_MIN_FONT_PX = 13  # below this DejaVu Sans is a strain on a 96-dpi screen
_FONT_SHARE = 1 / 62  # of the width: 16 px when the picture is shown 1000 px wide


@dataclass(frozen=True)
class Entry:
    """One legend entry: ``kind`` is "ring", "dot", "vessel", "area", "line" or "hatch"."""

    label: str
    kind: str
    color: RGB
    hatch: Hatch | None = None


class _Face(ImageFont.FreeTypeFont):
    """A face that remembers words: glyphs take most of a legend's time, and many words come again."""

    def getmask2(self, *arguments: Any, **named: Any) -> Any:
        return _mask(self, arguments, tuple(named.items()))


@lru_cache(maxsize=256)
def _mask(face: _Face, arguments: tuple[Any, ...], named: tuple[tuple[str, Any], ...]) -> Any:
    """Pixels of a word, which nobody writes to, and where they begin."""
    return super(_Face, face).getmask2(*arguments, **dict(named))


@lru_cache(maxsize=32)
def font(size_px: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Return DejaVu Sans as shipped inside matplotlib: the same glyphs on every machine."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name
    return _Face(str(path), size_px, layout_engine=ImageFont.Layout.BASIC)


def bar_length_um(width_um: float) -> float:
    """Return a round scale-bar length (1, 2 or 5 times a power of ten) of about a fifth of ``width_um``."""
    target = width_um / 4.5
    power = 10.0 ** math.floor(math.log10(target))
    return max(step * power for step in (1, 2, 5) if step * power <= target)


def length_text(length_um: float) -> str:
    """Return a length with its unit, for example ``200 µm`` or ``2 mm``."""
    return f"{length_um / 1000:g} mm" if length_um >= 1000 else f"{length_um:g} µm"


def shorten(text: str, face: ImageFont.FreeTypeFont, width_px: float) -> str:
    """Cut the middle of ``text`` until it fits, keeping both ends: slide ids differ at the end."""
    flat = "".join(c if c.isprintable() else " " for c in text)[:400]
    if face.getlength(flat) <= width_px:
        return flat
    for keep in range(len(flat) - 1, 1, -1):
        head = keep // 2
        cut = flat[:head] + "…" + flat[len(flat) - (keep - head) :]
        if face.getlength(cut) <= width_px:
            return cut
    return "…"


def _swatch(draw: ImageDraw.ImageDraw, entry: Entry, box: tuple[int, int, int, int], em: int) -> None:
    left, top, right, bottom = box
    thick = max(2, em // 6)
    if entry.kind == "ring":
        draw.ellipse(box, outline=entry.color, width=thick)
    elif entry.kind == "dot":
        inset = em // 8
        draw.ellipse((left + inset, top + inset, right - inset, bottom - inset), fill=entry.color)
    elif entry.kind == "vessel":
        pale = tuple(int(c * 0.5 + 255 * 0.5) for c in entry.color)
        draw.ellipse(box, fill=(38, 32, 28))
        draw.ellipse((left + 1, top + 1, right - 1, bottom - 1), fill=entry.color)
        inner = thick + 1
        draw.ellipse(
            (left + inner, top + inner, right - inner, bottom - inner), fill=pale, outline=(38, 32, 28)
        )
    elif entry.kind == "line":
        middle = (top + bottom) // 2
        draw.line((left, middle, right, middle), fill=entry.color, width=max(2, em // 8))
    else:
        draw.rounded_rectangle(box, radius=em // 3, outline=entry.color, width=thick)


def _paste_hatch(canvas: Image.Image, hatch: Hatch, box: tuple[int, int, int, int], em: int) -> None:
    left, top, right, bottom = box
    shape = (bottom - top, right - left)
    pattern = hatch_pattern(shape, hatch.pattern, max(5, em // 2), max(1, em // 10))
    canvas.paste(hatch.color, (left, top), Image.fromarray(pattern))
    ImageDraw.Draw(canvas).rectangle((left, top, right - 1, bottom - 1), outline=hatch.color)


def _flow(entries: Sequence[Entry], face: ImageFont.FreeTypeFont, em: int, width: int) -> list[list[Entry]]:
    """Break entries into lines that fit ``width`` pixels."""
    lines: list[list[Entry]] = [[]]
    x = 0.0
    for entry in entries:
        need = em * 1.6 + face.getlength(entry.label) + em * 1.5
        if lines[-1] and x + need > width:
            lines.append([])
            x = 0.0
        lines[-1].append(entry)
        x += need
    return [line for line in lines if line]


def _bar(draw: ImageDraw.ImageDraw, right: int, top: int, em: int, bar: tuple[int, str]) -> int:
    """Draw the scale bar flush right; return its left edge."""
    length, text = bar
    face = font(em)
    width = max(length, round(face.getlength(text)))
    left = right - width
    draw.text((right - width / 2, top), text, fill=INK, font=face, anchor="ma")
    y = top + round(em * 1.5)
    thick = max(3, em // 4)
    draw.rectangle((right - length, y, right - 1, y + thick), fill=INK)
    return left


def _title(draw: ImageDraw.ImageDraw, caption: Caption, span: tuple[int, int], em: int) -> None:
    """Write slide id and marker between two x positions."""
    face, bold = font(em), font(em, bold=True)
    marker = shorten(f"  {caption.marker}", face, (span[1] - span[0]) / 2) if caption.marker else ""
    title = shorten(caption.slide_id, bold, span[1] - span[0] - face.getlength(marker))
    top = round(em * 0.9)
    draw.text((span[0], top), title, fill=INK, font=bold, anchor="la")
    draw.text((span[0] + bold.getlength(title), top), marker, fill=INK_SOFT, font=face, anchor="la")


def _legend_line(strip: Image.Image, line: Sequence[Entry], at: tuple[int, int], em: int) -> None:
    """Draw swatches and words from ``at`` to the right."""
    draw, face = ImageDraw.Draw(strip), font(em)
    x, y = at
    for entry in line:
        box = (x, y, x + em, y + em)
        if entry.hatch is not None:
            _paste_hatch(strip, entry.hatch, box, em)
        else:
            _swatch(draw, entry, box, em)
        draw.text((x + round(em * 1.5), y + em / 2), entry.label, fill=INK, font=face, anchor="lm")
        x += round(em * 3.1 + face.getlength(entry.label))


def add_strip(
    picture: npt.NDArray[np.uint8],
    mpp: float,
    entries: Sequence[Entry],
    caption: Caption,
    font_share: float = _FONT_SHARE,
) -> npt.NDArray[np.uint8]:
    """Return ``picture`` with the strip of `draw_strip` below it: (h + strip, w, 3)."""
    strip = draw_strip(picture.shape[1], mpp, entries, caption, font_share)
    return np.concatenate([picture, strip], axis=0)


def draw_strip(
    w: int, mpp: float, entries: Sequence[Entry], caption: Caption, font_share: float = _FONT_SHARE
) -> npt.NDArray[np.uint8]:
    """Draw the strip for a picture of width ``w``: (strip, w, 3).

    Parameters
    ----------
    w : int
        Pixels.
    mpp : float
        Micrometres per pixel of the picture, for the scale bar.
    entries : sequence of Entry
        Legend, in order of importance; broken into as many lines as it needs.
    caption : Caption
    font_share : float
        Text height over picture width; larger for pictures that will be shown small.
    """
    em = max(_MIN_FONT_PX, round(w * font_share))
    pad = round(em * 0.9)
    lines = _flow(entries, font(em), em, w - 2 * pad)
    top = pad + round(em * 2.5)
    foot = top + round(em * 1.75) * len(lines)
    strip = Image.new("RGB", (w, foot + round(em * 1.4) + pad // 2), PAPER)
    draw = ImageDraw.Draw(strip)
    draw.line((0, 0, w, 0), fill=RULE, width=max(1, em // 12))
    length_um = bar_length_um(w * mpp)
    left = _bar(draw, w - pad, pad, em, (round(length_um / mpp), length_text(length_um)))
    _title(draw, caption, (pad, left - pad), em)
    for i, line in enumerate(lines):
        _legend_line(strip, line, (pad, top + i * round(em * 1.75)), em)
    small = font(max(_MIN_FONT_PX - 2, round(em * 0.78)))
    parts = [f"{mpp:.3g} µm/px", caption.note, "research use only"]
    words = shorten("  ·  ".join(p for p in parts if p), small, w - 2 * pad)
    draw.text((pad, foot + pad // 4), words, fill=INK_SOFT, font=small, anchor="la")
    return np.asarray(strip, np.uint8)
