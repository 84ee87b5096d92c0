"""The error of reading checkpoints."""


class CheckpointError(ValueError):
    """A checkpoint that cannot be used: one sentence naming the file, what is wrong with it, and what to do."""
