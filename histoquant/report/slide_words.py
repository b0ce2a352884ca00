"""Every code of a slide or biopsy in words: what it means, and the way out."""

from __future__ import annotations

from typing import Final

IN_DOUBT: Final = ("FOREIGN_COLOURS", "NO_COUNTERSTAIN")
"""Flags that put all numbers of a slide in doubt, so that a run says them at its end."""

SLIDE_WORDS: Final[dict[str, tuple[str, str]]] = {
    "NO_MPP": (
        "The file does not say how many micrometres a pixel measures, so no density can be given.",
        "Pass --mpp, or add an mpp column to the slide table.",
    ),
    "MPP_IMPLAUSIBLE": (
        "The resolution in the file is outside what a slide scanner produces.",
        "Check the scanner's export and state the true value with --mpp or in the mpp column.",
    ),
    "NOT_SQUARE": (
        "The pixels are clearly not square.",
        "Export the slide again with square pixels; areas and shapes would be distorted.",
    ),
    "TRUNCATED": ("The file ends before its last tile.", "Copy or export the slide again."),
    "UNREADABLE": (
        "The file could not be decoded.",
        "Open it in the scanner's viewer; copy or export it again.",
    ),
    "EMPTY_FILE": ("The file has no bytes.", "Copy the slide again."),
    "NOT_AN_IMAGE": ("The file is not an image this version can read.", "Export as SVS, OME-TIFF or DICOM."),
    "CODEC": (
        "The pixels are compressed in a way that cannot be decoded here.",
        "Export with JPEG or JPEG 2000 compression.",
    ),
    "PIXEL_TYPE": ("The picture is not 8-bit colour bright-field.", "Export as 8-bit RGB."),
    "TOO_LARGE": (
        "The picture's stated size is beyond what can be a slide.",
        "Check the file; export it again.",
    ),
    "NOT_FOUND": ("The file is not there.", "Check the path and the slide table."),
    "Z_STACK": ("The slide holds several focal planes.", "Export one plane."),
    "NO_TISSUE": ("No tissue was found.", "Look at the thumbnail; rescan if the tissue is there."),
    "WINDOW_TOO_SMALL": (
        "An object reached further than the program looks around it, so it may depend on the tile size.",
        "The manifest counts them (self_check). This is a fault of the program: report it.",
    ),
    "LITTLE_TISSUE": (
        "The tissue area is too small for a stable density.",
        "Read the interval; use another section of the block.",
    ),
    "INSUFFICIENT_TISSUE": (
        "Less than 0.25 mm² of tissue was quantified.",
        "Shown for information and left out of inference; use another section of the block.",
    ),
    "NO_GLASS": (
        "The picture shows no empty glass, so white was taken from its brightest background or from a prior.",
        "Weak staining may be over- or under-called; scan with a margin of glass.",
    ),
    "WEAK_STAIN": (
        "The brown on this slide is far weaker than a positive stain of its marker, so the marker's default "
        "threshold was used and not adapted to the slide.",
        "Look at the positive control of the run; a slide stained too weakly reads as negative.",
    ),
    "FOREIGN_COLOURS": (
        "Much of what is coloured here has colours that haematoxylin and DAB cannot make: another stain, "
        "ink, or no stained section at all. The numbers may mean nothing.",
        "Look at the picture before you use a number; read haematoxylin-eosin with --marker HE.",
    ),
    "NO_COUNTERSTAIN": (
        "Nothing here has the blue of haematoxylin, so there is nothing to find nuclei by. The numbers may "
        "mean nothing.",
        "Look at the picture: is it a counterstained section of this marker?",
    ),
    "UNEVEN_BACKGROUND": (
        "Unspecific brown changes over the tissue; a map of it was taken off before anything was counted.",
        "Look at the overlay where the tissue is brownest; the plan holds how much was taken off.",
    ),
    "SEGMENTER_NOT_EXACT": (
        "The plug-in that found the nuclei answers by the window it sees, so counts hang on the tile size.",
        "Keep one tile size in a study; plan.json names plug-in and weights.",
    ),
    "OVERSIZE_STAIN_DROPPED": (
        "A stained object longer than any vessel was left out.",
        "Look at the overlay: a fold, a stained edge or background; --set vessel_max_extent_um allows more.",
    ),
    "REVIEWED": (
        "A reader's signed corrections stand in place of the machine's counts, which are kept as machine_*.",
        "",
    ),
    "DIFFUSE_NOT_REVIEWED": (
        "Aggregates and the density outside are the machine's: it counted sheets by area, not cell by cell.",
        "Judge this slide's diffuse density by its overlay.",
    ),
    "THRESHOLD_SENSITIVE": (
        "The density changes faster than the threshold: a 1 % higher threshold lowers it by more than 1 %.",
        "Calibrate the threshold on control slides of the batch before comparing visits.",
    ),
    "NOT_CALIBRATED": (
        "The calibration holds no lock for this slide's marker and batch, so it was read by itself.",
        "Calibrate on controls of its batch before comparing it with calibrated slides.",
    ),
    "CALIBRATED_BY_DEFAULT_BATCH": (
        "The calibration has no lock for this slide's batch; the marker's default batch was used.",
        "Calibrate on controls of its own batch.",
    ),
    "CALIBRATION_CLONE_DIFFERS": (
        "The slide and the control slides were stained with different antibody clones.",
        "Calibrate on controls of the same clone, or correct the clone column.",
    ),
    "CALIBRATION_VERSION_DIFFERS": (
        "The calibration was made with another version of histoquant.",
        "Calibrate again with this version.",
    ),
    "IMPLAUSIBLE_DENSITY": (
        "The density is above what this marker plausibly reaches.",
        "Look at the overlay for background staining.",
    ),
    "IMPLAUSIBLE_AREA": (
        "More than 60 % of the tissue counts as stained.",
        "Look at the overlay: background staining, or a wrong threshold.",
    ),
    "COUNT_MODES_DISAGREE": (
        "Cells counted by nuclei and by stained area differ more than twofold.",
        "Clumped cells or fragments without nuclei: report the area share beside the count.",
    ),
    "FEW_BLOCKS": (
        "Too little tissue to estimate how unevenly the cells lie.",
        "The interval assumes even scatter and may be too narrow.",
    ),
    "NO_FIELD": (
        "The tissue is too small or narrow for one hotspot field of the set area.",
        "Choose a smaller field for all visits, for example --set hotspot_field_mm2=0.2376 (a 40x field).",
    ),
    "FEW_FIELDS": (
        "Fewer hotspot fields fit on the tissue than are compared.",
        "Set the number of fields for all visits to the least in hotspot_fields_eligible, 3 or more: "
        "--set hotspot_fields=3; or choose a smaller field.",
    ),
    "FEW_APART_FIELDS": (
        "The hotspot fields overlap: there are not three apart to take a mean of.",
        "Read the densest field alone.",
    ),
    "NOT_ASKED": ("Measured only on demand.", "For a Chalkley count add --set chalkley=true."),
    "ALL_AGGREGATE": (
        "Almost all tissue lies inside aggregates, so there is no density outside them.",
        "Read the aggregate area share.",
    ),
    "FEW_CELLS": ("Fewer than ten positive cells have no typical distance.", "Read the count."),
    "ALL_POSITIVE": ("Every nucleus is positive, so there is no other way to label them.", ""),
    "ANNOTATIONS": (
        "The GeoJSON file beside the slide cannot be read.",
        "Export it from QuPath again, or move it away.",
    ),
    "NO_CELL_AREA": ("Too few single cells to tell the area of one.", "Read the count by nuclei."),
    "NO_THRESHOLD_COUNTS": ("The counts at a lower and a higher threshold are not at hand.", ""),
    "NO_STAIN_HISTOGRAM": ("The slide has no DAB histogram.", ""),
    "EXCLUSION_MATTERS": (
        "Left in, the excluded artefacts would change the density by more than a tenth.",
        "Look at the hatched areas of the thumbnail: is what was left out truly artefact?",
    ),
    "NO_POSITIVES": ("The tissue that counts holds no positive object.", ""),
    "NO_NUCLEI": ("No nuclei were found.", "Look at the overlay; check the counterstain."),
    "NO_VESSELS": ("No vessels were found.", ""),
    "NO_PERIMETER": ("The outline is too short to measure its roundness.", ""),
    "NOT_COUNTED": ("This marker has no such objects, or they were not searched for.", ""),
    "NOT_MEASURED": ("The slides at hand give no value.", "See the slides' own reasons."),
    "MISSING": ("There is no slide of this marker in this biopsy.", "Add it, or record why it is absent."),
    "DUPLICATE_SECTION": (
        "Two slides of this marker claim the same section.",
        "Give each its section or block in the slide table, or remove one.",
    ),
    "MIXED_CLONES": (
        "The slides of this biopsy were stained with different antibody clones.",
        "They cannot be pooled; correct the clone column or choose one clone.",
    ),
    "NO_REFERENCE": (
        "There is no frozen reference, so the index is not formed.",
        "Freeze at least 10 baseline biopsies and name the file in study.toml.",
    ),
    "REFERENCE_TOO_SMALL": (
        "The frozen reference holds too few biopsies to score against.",
        "Freeze at least 10 baseline biopsies.",
    ),
    "DEGENERATE_REFERENCE": (
        "The biopsies of the frozen reference do not differ in one component of the index.",
        "Freeze biopsies that differ.",
    ),
    "CLONE_DIFFERS": ("The clone differs from the reference's.", "Use a reference of the same clone."),
    "SATURATED": (
        "A component lies at the end of the reference's scale.",
        "Read the log densities; the index can no longer move in this direction.",
    ),
    "REFERENCE_VERSION": ("The reference was made with another version.", "Freeze the reference again."),
    "VISIT_NOT_EVALUABLE": ("One of the two visits has no usable value.", ""),
    "MPP_OVERRIDDEN": (
        "The stated resolution was used instead of the file's.",
        "Check that it is the scanner's true value.",
    ),
    "MPP_DISAGREES": (
        "The file states its resolution in several ways that disagree.",
        "Check the scanner's export; state the true value with --mpp.",
    ),
    "MPP_CONFLICT": (
        "The file, or the file and the slide table, state resolutions that exclude each other.",
        "State the true value in the mpp column of the slide table, or export the slide again.",
    ),
    "OBJECTIVE_DISAGREES": (
        "The stated resolution is unusual for the objective that the file names.",
        "Check the scanner's settings; a camera adapter explains up to a factor of two.",
    ),
    "ANISOTROPIC": ("The pixels are slightly off square.", "Areas use both edges; no action needed."),
    "MULTIPLE_REGIONS": (
        "The file holds several scanned regions.",
        "Check in the thumbnail that the right tissue was quantified.",
    ),
    "SEPARATE_CHANNELS": ("The colour channels are stored as separate planes.", ""),
    "OME_UNREADABLE": ("The OME description in the file is not valid.", "Check the resolution shown here."),
    "COLOUR_TAG_WRONG": (
        "The file's colour label contradicts its pixels; the pixels were believed.",
        "Look at the thumbnail: colours should look natural.",
    ),
    "NO_MARKER": (
        "It is not known which marker this slide carries.",
        "Name it in the slide table, the file name, or with --marker.",
    ),
    "UNKNOWN_MARKER": (
        "The marker named for this slide is not one this version knows.",
        "Use a built-in marker or define it in the study file.",
    ),
    "MARKER_CONFLICT": (
        "Slide table and file name disagree about the marker.",
        "Correct one of them; the slide table was not overruled.",
    ),
    "IDENTITY_CONFLICT": (
        "Slide table and file name disagree about patient, tract or timepoint.",
        "Correct one of them.",
    ),
    "TIMEPOINT_NOT_DECLARED": (
        "The timepoint is not among those the study file declares.",
        "Add it to the study file or correct the slide table.",
    ),
    "NAME_UNREADABLE": (
        "Patient, tract and timepoint could not be read from the file name.",
        "List the slide in the slide table.",
    ),
    "WORKER_DIED": (
        "A worker process ended while it read this slide.",
        "Run again to resume; if it ends again, the file or the memory is at fault (log.jsonl).",
    ),
    "TILE_CRASH": (
        "One tile of this slide crashes the process that reads it; the reason names the tile.",
        "Copy or export the slide again.",
    ),
    "TILE_TIME": (
        "One tile of this slide takes longer than a task may; the reason names the tile.",
        "Look at the slide there; --task-limit allows more.",
    ),
    "TILE_MEMORY": (
        "One tile of this slide needs more memory than a worker may take; the reason names the tile.",
        "Choose a smaller --tile-size, or allow more with --worker-memory.",
    ),
    "WORKER_TIME": (
        "To plan or to finish this slide takes longer than a task may.",
        "Check disk and network; --task-limit allows more.",
    ),
    "WORKER_MEMORY": (
        "To plan or to finish this slide needs more memory than a worker may take.",
        "Allow more with --worker-memory.",
    ),
    "DIGEST_DIFFERS": (
        "The file's bytes are not those that the slide table expects.",
        "Copy the slide again from its source, or correct the sha256 column.",
    ),
    "UNREAD_TILES": (
        "Part of the slide cannot be decoded and was left out; unread_percent says how much at most.",
        "Copy or export the slide again, or read the densities with the share that is missing in mind.",
    ),
    "READERS_DISAGREE": (
        "Two independent readers see different pixels in this file.",
        "Open it in the scanner's viewer; export it again.",
    ),
    "NOT_CROSS_CHECKED": ("No second reader knows this file's format.", ""),
    "DUPLICATE": (
        "Another slide of this run has the very same bytes.",
        "Remove one of them, or find the slide that was meant.",
    ),
    "COLOUR_PROFILE_DIFFERS": (
        "The file carries another colour profile than most slides of its marker, or none.",
        "Profiles are not applied: find out whether the slide was scanned or exported differently.",
    ),
    "CHANGED": (
        "The file changed while it was being quantified.",
        "Wait until the copy has finished, then run again.",
    ),
    "INTERNAL": ("The library itself failed on this slide.", "Report it with the traceback in log.jsonl."),
    "BATCH_LOST": ("Part of the slide was computed but not kept.", "Run again to resume."),
}
