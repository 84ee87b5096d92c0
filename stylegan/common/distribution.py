"""What to say when a package that only some features need is not installed."""


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
