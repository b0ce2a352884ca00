"""What a vessel is, in micrometres: the rules of `find_vessels` and how far they reach."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from histoquant.errors import UsageError

SMOOTHING_RADIUS_PX = 2
"""Reach of the five-tap binomial filter (sigma 1 px, 0.5 um at the working plane)."""


@dataclass(frozen=True)
class VesselParams:
    """Rules that turn stained pixels into vessels.

    Attributes
    ----------
    threshold_od : float
        DAB optical density a wall must reach somewhere. QuPath's area default of 0.25.
    low_fraction : float
        A wall grows down to this share of the threshold, so that a faint stretch does not cut it. With
        one half, rings of half the usual stain keep 97 % of their lumen area; with 0.7, 84 %.
    grow_um : float
        A wall grows at most this far from stain above the threshold: the girth of a capillary.
    hematoxylin_ratio : float
        A wall pixel holds at least this much DAB per haematoxylin: dark nuclei leak DAB (0.2 - 0.4
        of their haematoxylin with generic stain vectors, up to 0.5 under JPEG), endothelium does not
        sink so low.
    seed_um2 : float
        Least area above the threshold; smaller peaks are granules.
    fragment_um2 : float
        Least area of a piece of wall that may be joined to others.
    touch_um : float
        Pieces closer than this are one wall whatever their direction.
    join_um : float
        Pieces closer than this are joined where they continue each other (Reyes-Aldasoro: join).
    join_angle_deg : float
        Largest angle between each piece and the line that would continue it.
    join_extent_um : float
        Only pieces up to this long are joined; bounds how far a decision can reach.
    close_um : float
        Gaps of one wall up to this wide are closed (Reyes-Aldasoro: close).
    wide_close_um : float
        Gaps up to this wide are closed when nothing is enclosed without it.
    lumen_max_um2 : float
        Larger enclosed areas are tissue or a tear between vessels, not a lumen (science: 2,000 um2).
    lumen_min_um2 : float
        An enclosed area with fewer pale pixels is a hole of the stain.
    lumen_pale_share : float
        Share of the enclosed pixels that must be pale; in a lumen of 3 um blur leaves a quarter.
    pale_hematoxylin_od, pale_total_od : float
        A pale pixel has less haematoxylin, and less mean optical density over RGB, than this: glass and
        plasma, not the weakest nucleus of a single cell.
    glass_wall_share : float
        An area of glass is a lumen, whatever gaps its wall has, where wall borders this share of it.
    min_um2 : float
        Smaller objects are specks (science: 20 um2).
    max_extent_um : float
        Longer objects are staining artefacts or folds: dropped, and the slide is flagged.
    cell_max_um2 : float
        A lumen-free object up to this area can be one cell.
    cell_elongation, cell_solidity : float
        A cell is less elongated and more solid than this.
    cell_wall_um : float
        The stained cytoplasm around a cell's nucleus is at least this thick on average; a wall is 1 - 3 um.
    clump_elongation, clump_bulk_share : float
        A clump of cells is less elongated than this (two cells in a row: 2 - 2.5), and more than this
        share of it lies in discs of a cell body's radius, which no endothelium is thick enough for.
    wall_mean_share : float
        Least mean DAB of a lumen-free wall, as a share of the threshold. Faint capillaries keep half of it;
        brown fibres, once background hides faint walls anyway, do not keep all of it (`over`).
    """

    threshold_od: float = 0.25
    low_fraction: float = 0.5
    grow_um: float = 8.0
    hematoxylin_ratio: float = 0.6
    seed_um2: float = 2.0
    fragment_um2: float = 3.0
    touch_um: float = 1.0
    join_um: float = 5.0
    join_angle_deg: float = 35.0
    join_extent_um: float = 250.0
    close_um: float = 2.5
    wide_close_um: float = 6.0
    lumen_max_um2: float = 2000.0
    lumen_min_um2: float = 1.0
    lumen_pale_share: float = 0.25
    pale_hematoxylin_od: float = 0.10
    pale_total_od: float = 0.15
    glass_wall_share: float = 0.6
    min_um2: float = 20.0
    max_extent_um: float = 1000.0
    cell_max_um2: float = 350.0
    cell_elongation: float = 2.0
    cell_solidity: float = 0.80
    cell_wall_um: float = 3.0
    clump_elongation: float = 3.0
    clump_bulk_share: float = 0.5
    wall_mean_share: float = 0.1

    def __post_init__(self) -> None:
        """Refuse rules that no vessel can meet."""
        for field in fields(self):
            value = getattr(self, field.name)
            if not value > 0:
                raise UsageError(f"vessel rule {field.name} must be above 0, not {value}.")
        if self.low_fraction > 1:
            raise UsageError(f"vessel rule low_fraction must be at most 1, not {self.low_fraction}.")
        if self.join_um < self.touch_um:
            raise UsageError(f"vessel rule join_um ({self.join_um}) must reach touch_um ({self.touch_um}).")

    def over(self, unstained_od: float) -> VesselParams:
        """The rules on tissue of a given background: no wall grows into what unstained tissue reaches.

        Where that binds, a fibre that is brown in places looks like a faint capillary without a lumen: such
        an object must then reach the threshold on the whole.

        Parameters
        ----------
        unstained_od : float
            DAB that unstained tissue hardly reaches.
        """
        lowest = min(unstained_od / self.threshold_od, 1.0)
        if lowest <= self.low_fraction:
            return self
        return replace(self, low_fraction=lowest, wall_mean_share=1.0)


DEFAULT_PARAMS = VesselParams()


def pixels(length_um: float, mpp: float) -> int:
    """Whole pixels nearest to a length, at least one."""
    return max(1, round(length_um / mpp))


def vessels_halo_px(mpp: float, params: VesselParams = DEFAULT_PARAMS, object_um: float = 50.0) -> int:
    """Halo to read around a core at first: filters, joins, and room for an ordinary vessel.

    Parameters
    ----------
    mpp : float
        Micrometres per pixel of the window.
    params : VesselParams
        The rules.
    object_um : float
        Room for the object itself. A longer one is reported in `VesselResult.unclosed`.

    Returns
    -------
    int
    """
    filters = SMOOTHING_RADIUS_PX + pixels(params.grow_um, mpp) + pixels(params.join_um, mpp) + 2
    return filters + pixels(object_um, mpp)


def vessels_cap_halo_px(mpp: float, params: VesselParams = DEFAULT_PARAMS) -> int:
    """Halo at which every object of the core is decided: nothing stays in `unclosed`.

    An object longer than ``max_extent_um`` is dropped, and a neighbour longer than
    ``join_extent_um`` is not joined, nor is one across a longer lumen, so no decision looks further than
    these together.
    """
    return vessels_halo_px(mpp, params, params.max_extent_um + 2 * params.join_extent_um)
