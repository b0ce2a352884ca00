"""What a phantom section holds: sizes, densities and the stain, before any randomness."""

from __future__ import annotations

from dataclasses import dataclass

from histoquant.errors import UsageError

MARKERS = ("CD68", "CD20", "CD31", "HE", "nuclear")
CELL_DENSITIES = (
    "t_cells",
    "b_cells",
    "plasma_cells",
    "macrophages",
    "fibroblasts",
    "neutrophils",
    "eosinophils",
    "tumour_cells",
    "apoptotic",
)
AMOUNTS = (
    "vessels", "crypts", "gaps", "aggregates", "decoys", "stain", "pigment", "variety", "faint", "haze",
    "granules",
)  # fmt: skip
SHARES = ("overlap", "clumps", "foamy", "masking", "collapsed", "faint_vessels")


@dataclass(frozen=True)
class SceneSpec:
    """One section to be drawn.

    Attributes
    ----------
    marker : str
        One of `MARKERS`; ``nuclear`` is Ki67-like.
    size_um : (float, float)
        Width and height of the scanned area.
    seed : int
        Same spec, same seed: same scene to the last bit.
    fragments : int
        1 to 3 tissue fragments on glass; 0 fills the area with tissue; -1 leaves a blank slide.
    architecture : int or None
        Seed of the outline alone: sections of one biopsy share it and so look like neighbours.
    t_cells, b_cells, plasma_cells, macrophages, fibroblasts, neutrophils, eosinophils : float
        Visible nuclei per mm2 of stroma asked for (crowding may place fewer).
    vessels, crypts, gaps, aggregates : float
        Profiles per mm2 of the area.
    aggregate_radius_um : float
        Mean radius of a lymphoid aggregate.
    decoys : float
        CD31 only: stained round cells without lumen per mm2 (macrophages), which are no vessels.
    positive_share : float
        ``nuclear`` only: share of stained nuclei outside the epithelium (epithelium: 2.5 times that).
    stain : float
        Strength of the marker stain; 0 is a negative control (haematoxylin only).
    pigment : float
        Clumps of dark pigment per mm2.
    tumour_cells, apoptotic : float
        Per mm2: carcinoma cells, and shrunken dying cells (never ``visible``: no reader counts them).
    overlap : float
        Share of their radii to which bodies in the stroma may approach each other; less is denser.
    variety : float
        How far nuclei and cell bodies depart from the textbook (`variety.vary`) and how far the section
        leaves the focal plane (`focus`); 0 is a textbook drawing.
    faint : float
        Share of nuclei with cleared, pale chromatin, relative to what is usual for their type.
    haze : float
        Uneven unspecific DAB of ground substance and fibres, relative to usual.
    clumps, foamy : float
        CD68: shares of macrophages that lie in clumps and that are large and foamy.
    granules : float
        CD68: clusters of stained granules without a cell per mm2.
    masking : float
        CD20: share of membrane stain that also covers the cell's inside and keeps haematoxylin out.
    collapsed, faint_vessels : float
        CD31: shares of vessels without an open lumen (added to those of the usual mix) and with weak,
        interrupted stain.
    """

    marker: str
    size_um: tuple[float, float] = (500.0, 500.0)
    seed: int = 1
    fragments: int = 0
    architecture: int | None = None
    t_cells: float = 1500.0
    b_cells: float = 220.0
    plasma_cells: float = 520.0
    macrophages: float = 260.0
    fibroblasts: float = 560.0
    neutrophils: float = 70.0
    eosinophils: float = 50.0
    vessels: float = 130.0
    crypts: float = 13.0
    gaps: float = 70.0
    aggregates: float = 0.0
    aggregate_radius_um: float = 85.0
    decoys: float = 25.0
    positive_share: float = 0.14
    stain: float = 1.0
    pigment: float = 0.0
    tumour_cells: float = 0.0
    apoptotic: float = 14.0
    overlap: float = 0.84
    variety: float = 1.0
    faint: float = 1.0
    haze: float = 1.0
    clumps: float = 0.25
    foamy: float = 0.12
    granules: float = 45.0
    masking: float = 0.12
    collapsed: float = 0.10
    faint_vessels: float = 0.15

    def __post_init__(self) -> None:
        if self.marker not in MARKERS:
            raise UsageError(f"phantom marker {self.marker!r}: choose one of {', '.join(MARKERS)}")
        if min(self.size_um) < 40.0:
            raise UsageError(f"phantom size {self.size_um} um: both sides must be at least 40 um")
        if self.fragments not in (-1, 0, 1, 2, 3):
            raise UsageError(f"phantom fragments {self.fragments}: use -1 (blank), 0 (field) or 1 to 3")
        for name in (*CELL_DENSITIES, *AMOUNTS):
            if getattr(self, name) < 0.0:
                raise UsageError(f"phantom {name} = {getattr(self, name)}: must not be negative")
        for name in SHARES:
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise UsageError(f"phantom {name} = {getattr(self, name)}: must lie between 0 and 1")
