"""Whether what is on a slide can be the stains it is read for at all."""

from __future__ import annotations

from typing import Final

from histoquant.stains.estimate import MIN_PIXEL_PERCENT, StainEstimate
from histoquant.stains.strength import StainStrength

FOREIGN_COLOURS = "FOREIGN_COLOURS"
NO_COUNTERSTAIN = "NO_COUNTERSTAIN"
# Sections in haematoxylin and DAB measure up to 2.1 % (six real images) and 6.5 % (about 150 drawn ones,
# the median 0); sections in haematoxylin-eosin 14 % and more (three), photographs of people 7 and 20 %. A
# photograph of nothing but brown measures 0 and shows no haematoxylin.
MAX_FOREIGN_PERCENT: Final = 10.0


def colour_flags(estimate: StainEstimate, strength: StainStrength, stains: str) -> tuple[str, ...]:
    """Say what the colours of a slide have against its being haematoxylin and DAB.

    Parameters
    ----------
    estimate : StainEstimate
        Of the slide's own pixels.
    strength : StainStrength
        Of the same slide.
    stains : str
        Stain pair of the marker; haematoxylin-eosin varies more than this can tell from other things.

    Returns
    -------
    tuple of str
        ``FOREIGN_COLOURS`` where colours that neither stain nor a mixture of both can make take a share of
        what is coloured; ``NO_COUNTERSTAIN`` where nothing has the colour of haematoxylin and no nuclei
        stand out in it: a pale section beside dark DAB has few pixels of pure colour, and its nuclei.
    """
    if stains != "H-DAB":
        return ()
    told = estimate.diagnostics
    foreign = told.get("foreign_percent", 0.0) > MAX_FOREIGN_PERCENT
    bare = told.get("hematoxylin_percent", 100.0) < MIN_PIXEL_PERCENT and strength.hematoxylin_od is None
    return (FOREIGN_COLOURS,) * foreign + (NO_COUNTERSTAIN,) * bare
