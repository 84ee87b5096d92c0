"""This distribution: its name, its version, and how to install what only some features need."""


def software() -> str:
    """This program's name, and its version where it is installed."""
    from importlib import metadata

    for distribution in ("pulse-latent", "pulse"):
        try:
            return f"pulse {metadata.version(distribution)}"
        except metadata.PackageNotFoundError:
            continue
    return "pulse"


def missing(extra: str, what: str) -> str:
    """One sentence that says what needs the extra `extra` of this distribution and how to install it.

    The name `pulse` on the package index belongs to another project, so ours is `pulse-latent` there.

    >>> missing("train", "TensorBoard").split("; ")[1]
    'run pip install "pulse-latent[train]", or in a clone pip install -e ".[train]".'
    """
    return (
        f'{what} needs packages that are not installed; run pip install "pulse-latent[{extra}]", or in a clone'
        f' pip install -e ".[{extra}]".'
    )
