"""Markers: what positive means, one file each."""
