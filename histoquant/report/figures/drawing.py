"""A drawing: SVG elements with classes instead of colours; one drawing serves light, dark and print."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from html import escape
from importlib.resources import files
from typing import Final

TEXT_PX: Final = 13.0
SMALL_PX: Final = 12.0
_WIDTH_PER_PX: Final = 0.55  # mean advance of a sans-serif letter, in heights
_VARIABLE: Final = re.compile(r"var\(--[a-z0-9-]+,\s*([^)]+)\)")
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_-]+")
# C0 controls but tab and line ends, which XML 1.0 forbids even as references
_FORBIDDEN: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


def number(value: float) -> str:
    """Coordinates to a hundredth of a pixel, without trailing zeros; the same text on every machine."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def plain(text: str) -> str:
    """Text as it may stand in XML."""
    return escape(_FORBIDDEN.sub("\ufffd", text))


def text_width(text: str, size_px: float = TEXT_PX) -> float:
    """Rough width of a text in px; labels are cut and columns are laid by it."""
    return len(text) * size_px * _WIDTH_PER_PX


def wrapped(text: str, width_px: float, size_px: float = SMALL_PX, most: int = 4) -> list[str]:
    """Break a text into lines; what does not fit into ``most`` lines ends in an ellipsis."""
    room = max(4, int(width_px / (size_px * _WIDTH_PER_PX)))
    lines: list[str] = []
    for word in text.split():
        while len(word) > room:
            lines.append(word[: room - 1] + "-")
            word = word[room - 1 :]
        if lines and not lines[-1].endswith("-") and len(lines[-1]) + 1 + len(word) <= room:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    if len(lines) > most:
        lines = [*lines[: most - 1], lines[most - 1][: room - 1] + "…"]
    return lines


@dataclass
class Drawing:
    """One figure.

    Parameters
    ----------
    name : str
        Letters, digits, ``_`` and ``-``; unique on a page.
    width, height : float
        In px at which text has its nominal size.
    title : str
        Read out by screen readers.
    says : str
        What the figure shows, for those who do not see it.
    """

    name: str
    width: float
    height: float
    title: str
    says: str = ""
    _parts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.name = _UNSAFE.sub("_", self.name)

    def add(self, tag: str, cls: str, *, tip: str = "", **places: float | str) -> None:
        """Add one shape; ``tip`` shows while a pointer rests on it."""
        attributes = "".join(
            f' {key.replace("_", "-")}="{number(value) if isinstance(value, float | int) else plain(value)}"'
            for key, value in places.items()
        )
        inner = f"<title>{plain(tip)}</title></{tag}>" if tip else ""
        self._parts.append(f'<{tag} class="{cls}"{attributes}' + (f">{inner}" if tip else "/>"))

    def line(self, x1: float, y1: float, x2: float, y2: float, cls: str) -> None:
        """Add a straight line."""
        self.add("line", cls, x1=x1, y1=y1, x2=x2, y2=y2)

    def path(self, points: Iterable[tuple[float, float]], cls: str, tip: str = "") -> None:
        """Add an open polyline."""
        d = "L".join(f"{number(x)} {number(y)}" for x, y in points)
        if d:
            self.add("path", cls, tip=tip, d=f"M{d}")

    def text(self, x: float, y: float, text: str, cls: str = "t", anchor: str = "start") -> None:
        """Add text; ``anchor`` is ``start``, ``middle`` or ``end``."""
        place = f' x="{number(x)}" y="{number(y)}"'
        side = "" if anchor == "start" else f' text-anchor="{anchor}"'
        self._parts.append(f'<text class="{cls}"{place}{side}>{plain(text)}</text>')

    def turned_text(self, x: float, y: float, text: str, cls: str = "t") -> None:
        """Add text that reads upwards, centred on its place."""
        self._parts.append(
            f'<text class="{cls}" text-anchor="middle" transform="translate({number(x)} {number(y)}) '
            f'rotate(-90)">{plain(text)}</text>'
        )

    def dot(self, x: float, y: float, shape: str, cls: str, tip: str = "", size: float = 4.0) -> None:
        """Add a mark: ``circle``, ``square``, ``diamond``, ``triangle`` or ``cross``."""
        if shape == "circle":
            self.add("circle", cls, tip=tip, cx=x, cy=y, r=size)
            return
        corners = _SHAPES[shape]
        d = "".join(f"{letter}{number(x + a * size)} {number(y + b * size)}" for letter, a, b in corners)
        self.add("path", cls, tip=tip, d=d + ("" if shape == "cross" else "Z"))

    def inline(self) -> str:
        """As an element of an HTML page that has the figures' style sheet."""
        return self._element("")

    def standalone(self) -> bytes:
        """As an SVG file: the colours of the light page, on white, with nothing that programs must know."""
        style = f"<style>{_light_style()}</style>"
        paper = f'<rect class="paper" width="{number(self.width)}" height="{number(self.height)}"/>'
        return ('<?xml version="1.0" encoding="UTF-8"?>\n' + self._element(style + paper) + "\n").encode()

    def _element(self, before: str) -> str:
        size = f"{number(self.width)} {number(self.height)}"
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="fig" viewBox="0 0 {size}" '
            f'width="{number(self.width)}" height="{number(self.height)}" role="img" '
            f'aria-labelledby="{self.name}-t {self.name}-d">'
        )
        words = (
            f'<title id="{self.name}-t">{plain(self.title)}</title>'
            f'<desc id="{self.name}-d">{plain(self.says)}</desc>'
        )
        return head + words + before + "".join(self._parts) + "</svg>"


_SHAPES: Final[dict[str, tuple[tuple[str, float, float], ...]]] = {
    "square": (("M", -0.9, -0.9), ("L", 0.9, -0.9), ("L", 0.9, 0.9), ("L", -0.9, 0.9)),
    "diamond": (("M", 0, -1.25), ("L", 1.25, 0), ("L", 0, 1.25), ("L", -1.25, 0)),
    "triangle": (("M", 0, -1.15), ("L", 1.1, 0.85), ("L", -1.1, 0.85)),
    "cross": (("M", -1, -1), ("L", 1, 1), ("M", 1, -1), ("L", -1, 1)),
}


@lru_cache(maxsize=1)
def figure_style() -> str:
    """The style sheet that all figures share; colours are variables with the light value as fall-back."""
    return (files("histoquant.report") / "templates" / "figures.css").read_text("utf-8")


def _light_style() -> str:
    """The same with the light values in place: drawing programs know classes, but no variables."""
    return _VARIABLE.sub(r"\1", figure_style())
