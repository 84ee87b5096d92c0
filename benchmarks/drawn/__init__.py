"""Drawn answers, measured: on portraits never seen, of every size, stage by stage, and in seconds."""
