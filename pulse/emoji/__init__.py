"""Emoji: every one that a colour font draws, and a DCGAN that learns them (after Process Studio's AImoji, 2019)."""
