"""Immunohistochemistry whole-slide images into numbers a trial can rest on."""
