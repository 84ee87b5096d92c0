"""Checkpoints: from a name, path or URL to a network, reading every file as data; and our own format to write."""
