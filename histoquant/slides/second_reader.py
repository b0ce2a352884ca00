"""Another reader for the same file, to compare with."""

from __future__ import annotations

import openslide

from histoquant.slides.openslide_slide import OpenSlideSlide
from histoquant.slides.slide import BaseSlide, Slide, SlideFacts


def second_reader(slide: Slide) -> BaseSlide | None:
    """Open a slide with OpenSlide that is read by this package's own TIFF reader.

    Parameters
    ----------
    slide : Slide
        An open slide.

    Returns
    -------
    BaseSlide or None
        None where no second reader knows the file, or sees another size in it.
    """
    if slide.reader == "openslide" or slide.path.is_dir():
        return None
    try:
        if openslide.OpenSlide.detect_format(slide.path) is None:
            return None
        with openslide.OpenSlide(slide.path) as handle:
            size_px = handle.dimensions
    except openslide.OpenSlideError:
        return None
    if size_px != slide.size_px:
        return None
    facts = SlideFacts(
        path=slide.path,
        name=slide.name,
        reader="openslide",
        format="",
        size_px=size_px,
        mpp_xy=slide.mpp_xy,
        mpp_source=slide.mpp_source,
    )
    return OpenSlideSlide(facts, slide.path)
