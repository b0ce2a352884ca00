"""How a section looks: stain colours and strength, glass, and the scanner that digitised it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from histoquant.errors import UsageError

Vector = tuple[float, float, float]

TEXTBOOK_HEMATOXYLIN: Vector = (0.650, 0.704, 0.286)  # Ruifrok and Johnston 2001
# between the textbook and what dense haematoxylin measures on real scans (0.61-0.63, 0.62-0.64, 0.46)
HEMATOXYLIN: Vector = (0.655, 0.670, 0.345)
TEXTBOOK_DAB: Vector = (0.268, 0.570, 0.776)  # Ruifrok and Johnston 2001
DAB: Vector = (0.320, 0.560, 0.764)  # real scans measure 0.34-0.43, 0.51-0.61, 0.68-0.78, less red than that
TEXTBOOK_EOSIN: Vector = (0.072, 0.990, 0.105)  # Ruifrok and Johnston 2001
EOSIN: Vector = (0.17, 0.91, 0.37)  # pinker than that, as eosin Y with phloxine scans
NEUTRAL: tuple[Vector, Vector, Vector] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
PIGMENT: Vector = (0.52, 0.58, 0.63)  # nearly grey: melanin, carbon, formalin pigment


@dataclass(frozen=True)
class Scanner:
    """A virtual whole-slide scanner.

    Attributes
    ----------
    name : str
    mpp : float
        um per pixel.
    blur_um : float
        Standard deviation of the optical blur, acting on light.
    electrons : float
        Electrons at full white: photon noise is 1 / sqrt(electrons) of white.
    read_noise : float
        Standard deviation of the reading noise, grey levels.
    sharpen : float
        Unsharp-mask gain many scanners apply (0: none).
    gain : tuple of 3 float
        Colour gain relative to neutral.
    gamma : float
        Tone curve exponent; 1 is linear. Every optical density is read as that many times itself.
    glare : float
        Stray light inside the lens, share of full white: greys the darkest stain, as real optics do.
    colours : tuple of 3 tuples of 3 float
        Colour matrix on light; rows that sum to 1 leave grey as it is.
    jpeg : int
        Quality of the compression, 1 to 100; 0 for none.
    """

    name: str = "A"
    mpp: float = 0.5
    blur_um: float = 0.33
    electrons: float = 25000.0
    read_noise: float = 0.6
    sharpen: float = 0.0
    gain: Vector = (1.0, 1.0, 1.0)
    gamma: float = 1.0
    glare: float = 0.012
    colours: tuple[Vector, Vector, Vector] = NEUTRAL
    jpeg: int = 0

    def __post_init__(self) -> None:
        if not 0.1 <= self.mpp <= 4.0:
            raise UsageError(f"phantom scanner mpp {self.mpp} um: must be between 0.1 and 4")
        if self.electrons <= 0.0 or self.blur_um < 0.0:
            raise UsageError("phantom scanner: electrons must be positive and blur_um not negative")
        if not 0.3 <= self.gamma <= 3.0 or not 0 <= self.jpeg <= 100:
            raise UsageError("phantom scanner: gamma must be between 0.3 and 3, jpeg between 0 and 100")


# Real scans of one tissue differ this much: QuPath reads 3.7 % of its nuclei positive at 0.5 OD on one scan
# and 11.9 % on the other, which a factor of about two between their optical densities explains.
SCANNERS = {
    "A": Scanner("A", 0.5, 0.33, 25000.0, 0.6, 0.25),
    # soft, flat and warm
    "B": Scanner(
        "B",
        0.3461,
        0.42,
        16000.0,
        1.0,
        0.0,
        (1.0, 0.975, 0.945),
        gamma=0.75,
        colours=((0.94, 0.05, 0.01), (0.03, 0.94, 0.03), (0.01, 0.06, 0.93)),
        jpeg=80,
    ),
    # crisp, contrasty and saturated
    "C": Scanner(
        "C",
        0.2271,
        0.24,
        12000.0,
        0.9,
        0.5,
        (0.985, 1.0, 1.02),
        gamma=1.55,
        colours=((1.07, -0.05, -0.02), (-0.04, 1.07, -0.03), (-0.01, -0.07, 1.08)),
        jpeg=90,
    ),
}


@dataclass(frozen=True)
class Appearance:
    """Stain chemistry, glass and scanner of one slide.

    Attributes
    ----------
    name : str
    hematoxylin, second, pigment : tuple of 3 float
        OD vectors (R, G, B), any length; ``second`` None takes DAB, or eosin for HE.
    hematoxylin_gain, second_gain : float
        Strength of each stain relative to normal.
    haze_od : float
        Diffuse background of the second stain over tissue.
    white_point : tuple of 3 float
        Grey levels of clear glass in the middle of the field.
    uneven : float
        Largest relative fall of the illumination across the slide.
    scanner : Scanner
    """

    name: str = "normal"
    hematoxylin: Vector = HEMATOXYLIN
    second: Vector | None = None
    pigment: Vector = PIGMENT
    hematoxylin_gain: float = 1.0
    second_gain: float = 1.0
    haze_od: float = 0.0
    white_point: Vector = (243.0, 242.0, 240.0)
    uneven: float = 0.012
    scanner: Scanner = SCANNERS["A"]

    def vectors(self, marker: str) -> NDArray[np.float64]:
        """Return the (3, 3) matrix of unit OD vectors: haematoxylin, second stain, pigment."""
        second = self.second if self.second is not None else (EOSIN if marker == "HE" else DAB)
        rows = np.array([self.hematoxylin, second, self.pigment], dtype=float)
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))

    def with_scanner(self, scanner: Scanner) -> Appearance:
        """Return the same slide on another scanner; its colour gain shifts the white point."""
        white = (
            min(254.0, self.white_point[0] * scanner.gain[0]),
            min(254.0, self.white_point[1] * scanner.gain[1]),
            min(254.0, self.white_point[2] * scanner.gain[2]),
        )
        return replace(self, scanner=scanner, white_point=white)


def turned(vector: Vector, towards: Vector, degrees: float) -> Vector:
    """Return ``vector`` turned by ``degrees`` towards another direction (away from it if negative)."""
    a = np.array(vector) / np.linalg.norm(vector)
    b = np.array(towards) / np.linalg.norm(towards)
    side = b - a * float(a @ b)
    side /= np.linalg.norm(side)
    angle = math.radians(degrees)
    r, g, b_ = a * math.cos(angle) + side * math.sin(angle)
    return float(r), float(g), float(b_)


_A = SCANNERS["A"]
APPEARANCES: dict[str, Appearance] = {
    a.name: a
    for a in (
        Appearance(),
        Appearance("pale", hematoxylin_gain=0.5, second_gain=0.75),
        Appearance("strong", hematoxylin_gain=1.35, second_gain=1.4, haze_od=0.02),
        # blue haematoxylin (Gill) and a redder DAB, both about 6 degrees off the textbook vectors
        Appearance(
            "vector-shifted",
            hematoxylin=turned(HEMATOXYLIN, (1.0, 0.0, 0.0), 6.0),
            second=turned(DAB, (0.0, 1.0, 0.0), 5.0),
        ),
        Appearance("white-shifted", white_point=(228.0, 232.0, 236.0), uneven=0.03),
        Appearance("blurred", scanner=replace(_A, name="A-soft", blur_um=0.75, sharpen=0.0)),
        Appearance("noisy", scanner=replace(_A, name="A-noisy", electrons=1500.0, read_noise=2.0)),
        Appearance("hazy", haze_od=0.06),
    )
}
"""Named appearances: normal, pale, strong, vector-shifted, white-shifted, blurred, noisy, hazy."""
