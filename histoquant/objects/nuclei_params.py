"""What a nucleus looks like, in micrometres and optical density, and how far that makes the eye look."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from histoquant.errors import UsageError

if TYPE_CHECKING:
    from histoquant.markers.definition import MarkerDefinition
from histoquant.objects.smoothing import radius_px

# Share of DAB added to haematoxylin to make the darkness that shows nuclei. A nuclear stain is nucleus: the
# sum is what red light shows, in which DAB is 0.41 as dark as haematoxylin (first numbers of the published
# vectors). A membrane or cytoplasm stain surrounds the nucleus: taking a little off makes the edge of the
# nucleus stand against it, and takes back what unmixing gives to haematoxylin in dense brown.
DAB_WEIGHT = {"nuclear": 0.4, "membrane": -0.2, "cytoplasmic": -0.2, "endothelial": -0.1, "none": 0.0}
# Bean-shaped and angular nuclei, and pairs that the necks cut later.
_ELLIPSE_MIN_NUCLEAR = 0.75
# Collagen, haze and a blue nucleus's own share hold up to 0.1 OD of what unmixing calls DAB; added to the
# darkness, it draws out fibres (most of the false nuclei of rendered sections) and joins neighbours.
_DAB_FLOOR_NUCLEAR_OD = 0.1
# A brown nucleus is coarser than a blue one, and against wider surroundings one peak rather than several.
_NUCLEAR_SURROUND_UM, _NUCLEAR_SURROUND_SHARE = 3.0, 0.8

# In the second pass a lymphocyte that is brown all over is found as a brown body: its nucleus lies under the
# membrane cut face on, and unmixing leaves no blue of it. A macrophage's brown body is no nucleus.
SECOND_DAB_WEIGHT = {**DAB_WEIGHT, "membrane": 0.4}

# A third pass takes what is left as brown bodies, by all the stain there is: in a sheet the membranes above
# and below fill most profiles with brown. Lymphocytes are no longer; other cells keep to two passes.
_BODY_LENGTH_UM = {"membrane": 12.0}
# A brown clump of a membrane marker is of lymphocytes, which are round: the slightest waist parts two.
# What is blue may be a bean or a spindle, whose waist is its own.
_BROWN_NECK = {"membrane": 0.9}


@dataclass(frozen=True)
class NucleiParams:
    """Parameters of the nucleus search.

    Parameters
    ----------
    dab_weight : float
        DAB added to haematoxylin to make darkness, -1 to 1.
    dab_floor_od : float
        DAB, at standard strength of stain, that adds nothing to the darkness where ``dab_weight`` is above 0.
    knee_od : float
        Darkness is compressed as ``knee log(1 + OD / knee)``, so that a step counts for less the darker
        it lies: light absorption saturates, and a pale nucleus beside a dark one is a nucleus too.
    detail_um, surround_um : float
        Standard deviations of the smoothing that hides chromatin and of the surroundings.
    surround_share : float
        Share of the surroundings taken off the darkness before regions are formed, 0 to 1: it separates
        touching nuclei, which a plain threshold joins.
    floor_od, level_od : float
        Darkness at which regions begin, and the step between levels.
    area_min_um2, area_max_um2 : float
        Nuclear profiles kept.
    length_max_um : float
        Longest side of the bounding box; bounds how far any decision looks.
    edge_min_od : float
        Least mean step of darkness across the boundary, at standard strength of stain. Low enough for
        nuclei out of focus: what is too faint among the nuclei of its slide, such as a strip of a collagen
        fibre, goes when the whole slide is known (`histoquant.objects.caps`).
    edge_half_od : float
        Step in excess of the least at which the edge counts half of what an ideal one would.
    ellipse_min : float
        Least share of its ellipse of inertia that a region fills; 1 is a perfect ellipse. Indented and
        angular nuclei fill less, but so do patches of stained cytoplasm: the limit is lower for a stain of
        nuclei.
    slender : float
        Axis ratio below which a region counts proportionally less.
    dab_doubt : float
        Share of the DAB outside the boundary that the step must exceed as well, in the second pass: the
        denser the brown, the less certain the blue that unmixing finds between its granules. In the first
        pass, too, where the nucleus itself is stained: coarse brown is one nucleus, not several.
    score_min_um2 : float
        Least area that remains after discounting for shape and edge: drops what is small and faint.
    regrowth : float
        Credit for area that parts of a region lose before they come apart, as a power of the region's area
        over theirs: 0 for none, 1 as if they grew back to all of it.
    free_min : float
        Least share of the boundary that must be free; the rest may touch nuclei found before.
    neck_share : float
        Nuclei are cut apart where the neck is no wider than this share of the narrower one; 0 for never.
    brown_neck_share : float
        As ``neck_share``, for what is brown.
    brown_share : float
        DAB over haematoxylin from which something is brown.
    second_length_um : float
        Longest side in the second pass, over what the first has left; 0 for one pass only.
    second_dab_weight : float
        As ``dab_weight``, in the second pass.
    second_edge_od, second_ellipse : float
        Least edge and least filling of the ellipse in the second pass, which sees more leftovers.
    margin_um : float
        Left free around nuclei of the first pass: their blurred edge is no nucleus.
    body_length_um : float
        Longest side in the third pass, for brown bodies in which no nucleus shows; 0 for no such pass.
    body_edge_od, body_min_um2, body_surround_share : float
        Least edge, least area and share of the surroundings in the third pass: a sliver of brown is no cell,
        and bodies lie closer than nuclei.
    grow_um : float
        Parts of a clump grow back by up to this much, down to half the level at which they came apart.
    """

    dab_weight: float = -0.2
    dab_floor_od: float = 0.0
    knee_od: float = 0.6
    detail_um: float = 0.8
    surround_um: float = 2.0
    surround_share: float = 0.7
    floor_od: float = 0.008
    level_od: float = 0.006
    area_min_um2: float = 12.0
    area_max_um2: float = 400.0
    length_max_um: float = 20.0
    edge_min_od: float = 0.03
    edge_half_od: float = 0.1
    ellipse_min: float = 0.8
    slender: float = 0.3
    dab_doubt: float = 0.1
    score_min_um2: float = 0.0
    regrowth: float = 0.5
    free_min: float = 0.4
    neck_share: float = 0.8
    brown_neck_share: float = 0.8
    brown_share: float = 0.5
    second_length_um: float = 12.0
    second_dab_weight: float = -0.2
    second_edge_od: float = 0.05
    second_ellipse: float = 0.85
    margin_um: float = 1.0
    body_length_um: float = 0.0
    body_edge_od: float = 0.08
    body_min_um2: float = 15.0
    body_surround_share: float = 0.85
    grow_um: float = 1.0

    def __post_init__(self) -> None:
        weights = (self.dab_weight, self.second_dab_weight)
        if not all(-1.0 <= weight <= 1.0 for weight in weights) or not 0.0 <= self.surround_share <= 1.0:
            raise UsageError(
                "the nucleus search needs dab_weight and second_dab_weight from -1 to 1, surround_share to 1"
            )
        if not 0.0 < self.area_min_um2 < self.area_max_um2:
            raise UsageError("the nucleus search needs 0 < area_min_um2 < area_max_um2")
        if min(self.knee_od, self.level_od, self.detail_um, self.length_max_um) <= 0.0:
            raise UsageError("knee, level, detail and length of the nucleus search must be above 0")
        if not 0.0 <= self.dab_doubt <= 1.0:
            raise UsageError("dab_doubt of the nucleus search is a share, from 0 to 1")
        if not 0.0 < self.ellipse_min < 1.0:
            raise UsageError("ellipse_min of the nucleus search must lie between 0 and 1")

    @classmethod
    def of_marker(cls, marker: MarkerDefinition) -> NucleiParams:
        """Parameters for the slides of one marker.

        Parameters
        ----------
        marker : MarkerDefinition
            Its compartment and stains decide how much brown may be nucleus.

        Returns
        -------
        NucleiParams
        """
        weight = DAB_WEIGHT[marker.compartment]
        rules = cls(
            dab_weight=weight,
            second_dab_weight=SECOND_DAB_WEIGHT[marker.compartment],
            brown_neck_share=_BROWN_NECK.get(marker.compartment, cls.neck_share),
            body_length_um=_BODY_LENGTH_UM.get(marker.compartment, 0.0),
            ellipse_min=_ELLIPSE_MIN_NUCLEAR if weight > 0 else cls.ellipse_min,
            area_min_um2=marker.nucleus_min_um2,
            area_max_um2=marker.nucleus_max_um2,
        )
        if marker.compartment == "nuclear":
            rules = replace(
                rules,
                dab_floor_od=_DAB_FLOOR_NUCLEAR_OD,
                surround_um=_NUCLEAR_SURROUND_UM,
                surround_share=_NUCLEAR_SURROUND_SHARE,
            )
        if marker.stains == "H-E":
            # eosin leaves a dark cytoplasm, and chromatin is stained darker and coarser than for IHC
            return replace(
                rules,
                dab_weight=0.0,
                second_dab_weight=0.0,
                detail_um=1.0,
                surround_um=2.5,
                score_min_um2=1.5,
            )
        return rules

    def second(self) -> NucleiParams:
        """Rules of the second pass."""
        return replace(
            self,
            dab_weight=self.second_dab_weight,
            length_max_um=self.second_length_um,
            edge_min_od=self.second_edge_od,
            ellipse_min=self.second_ellipse,
        )

    def bodies(self) -> NucleiParams:
        """Rules of the third pass: both stains make the body, and nothing is doubted for being brown."""
        return replace(
            self,
            dab_weight=1.0,
            dab_doubt=0.0,
            length_max_um=self.body_length_um,
            edge_min_od=self.body_edge_od,
            area_min_um2=max(self.area_min_um2, self.body_min_um2),
            surround_share=self.body_surround_share,
        )

    def margin_px(self, mpp: float) -> int:
        """Pixels left free around nuclei of the first pass."""
        return max(1, round(self.margin_um / mpp))

    def length_max_px(self, mpp: float) -> int:
        """Longest side of a region, pixels."""
        return math.ceil(self.length_max_um / mpp)

    def edge_reach_px(self, mpp: float) -> int:
        """Pixels either side of an edge over which its step is read: 1.5 um, a blurred edge, in all."""
        return max(0, round((1.5 / mpp - 1.0) / 2.0))

    def grow_px(self, mpp: float) -> int:
        """Growth of regions, pixels."""
        return round(self.grow_um / mpp)

    def sought_px(self, mpp: float) -> tuple[int, ...]:
        """How far around a pixel each pass, the first one first, must find regions for the label to be right.

        A pixel is of a region of the last pass that holds it or from which it is reached by growth. Which
        regions hold a pixel depends on what the passes before have taken within the length of a region and
        the edge around it, and what they have taken on labels within the margin.
        """
        far_px = [self.grow_px(mpp) + 2]
        for length_um in (self.body_length_um, self.second_length_um):
            if length_um > 0:
                far_px.insert(0, far_px[0] + math.ceil(length_um / mpp) + 1 + self.margin_px(mpp))
        return tuple(far_px)

    def object_px(self, mpp: float) -> int:
        """Longest side of what a region of any pass has grown to, pixels."""
        longest_um = max(self.length_max_um, self.second_length_um, self.body_length_um)
        return math.ceil(longest_um / mpp) + 2 * self.grow_px(mpp)

    def support_px(self, mpp: float) -> int:
        """How far around a pixel its label looks.

        A region of a later pass lies within its longest side of the pixel; whether it may use a pixel
        depends on the passes before, whose regions lie within their longest sides of that one.
        """
        passes = self.length_max_px(mpp)
        for length_um in (self.second_length_um, self.body_length_um):
            if length_um > 0:
                passes += math.ceil(length_um / mpp) + self.margin_px(mpp)
        fir = radius_px(self.detail_um / mpp) + radius_px(self.surround_um / mpp)
        return passes + fir + 2 * self.edge_reach_px(mpp) + self.grow_px(mpp) + 2
