"""Nuclei, cells and vessels: arrays in, tables out; no files, no scheduler."""
