"""Checkpoint formats, one file each: `recognises(path)` by content, `load(path)`, and for our own `save`."""
