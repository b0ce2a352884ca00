"""Colours and hatchings of every picture: one place, safe for colour-blind readers.

Class colours were chosen on brown DAB and blue haematoxylin and keep apart under simulated protanopia,
deuteranopia and tritanopia (``tests/report/test_palette.py`` computes the distances).
"""

from __future__ import annotations

from typing import Final, NamedTuple

RGB = tuple[int, int, int]

POSITIVE: Final[RGB] = (250, 50, 0)  # vermilion: brighter than any DAB brown
NEGATIVE: Final[RGB] = (0, 142, 232)  # azure: lighter than haematoxylin, thin so that it recedes
VESSEL: Final[RGB] = (255, 232, 40)  # yellow, always with a dark edge: on pale stroma yellow alone is lost
AGGREGATE: Final[RGB] = (150, 0, 120)  # deep magenta: a hue no stain here has, darker than the positives
TISSUE: Final[RGB] = (40, 44, 52)
HALO_LIGHT: Final[RGB] = (255, 255, 255)
HALO_DARK: Final[RGB] = (38, 32, 28)

INK: Final[RGB] = (31, 36, 43)
INK_SOFT: Final[RGB] = (96, 104, 114)
PAPER: Final[RGB] = (255, 255, 255)
RULE: Final[RGB] = (216, 220, 225)


class Hatch(NamedTuple):
    """How an exclusion reason is drawn: colour and pattern, so that neither alone carries the meaning."""

    color: RGB
    pattern: str


# Patterns first, colours second: the reasons stay apart in a black-and-white print.
_HATCHES: Final[dict[str, Hatch]] = {
    "fold": Hatch((120, 62, 160), "/"),
    "blur": Hatch((70, 78, 88), "\\"),
    "pigment": Hatch((20, 20, 20), "x"),
    "pen": Hatch((0, 120, 90), "|"),
    "bubble": Hatch((104, 92, 24), "-"),
    "edge_dab": Hatch((150, 60, 0), "+"),
    "crush": Hatch((0, 70, 200), "."),
    "by_hand": Hatch((170, 40, 90), "/"),
}
_OTHER: Final[tuple[Hatch, ...]] = (
    Hatch((150, 90, 0), "."),
    Hatch((170, 40, 90), "+"),
    Hatch((90, 110, 40), "/"),
)


def hatch_for(reason: str) -> Hatch:
    """Return colour and pattern for an exclusion reason; unknown reasons get a stable fallback."""
    known = _HATCHES.get(reason)
    return known if known is not None else _OTHER[sum(reason.encode()) % len(_OTHER)]


# Okabe and Ito (2008) order, yellow left out: lines on white paper need contrast.
LINES: Final[tuple[str, ...]] = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#7B3F98",
    "#8C6D1F",
    "#CC3377",
    "#3B4CC0",
    "#4D4D4D",
)
