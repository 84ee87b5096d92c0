"""The generators that have names: those in the box, and the official ones that are fetched when they are asked for."""

from dataclasses import dataclass
from fnmatch import fnmatch
from importlib import resources
from pathlib import Path

_OFFICIAL = "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/"
_NVIDIA = "NVIDIA Source Code License, non-commercial"


@dataclass(frozen=True)
class Model:
    """A generator with a name.

    Args:
        name: what `stylegan.load` takes.
        resolution: of its pictures, in pixels.
        megabytes: about how large the file is.
        licence: of the weights.
        url: where it is fetched from; None for what is in the box.
        file: in the package, for what is in the box.
        portraits: whether it learnt from `stylegan.portraits`, so that these can draw what it is asked for.
        sha256: of the file, 64 hexadecimal digits; what is fetched must have it. None where it is not known; then the
            first fetch is believed, and later ones must be the same file.
    """

    name: str
    resolution: int
    megabytes: int
    licence: str
    url: str | None = None
    file: str = ""
    portraits: bool = False
    sha256: str | None = None

    def here(self) -> Path | None:
        """Its file, if it need not be fetched."""
        if self.url is not None:
            # Imported here and below only, because HTTPS modules are slow to import.
            from stylegan.checkpoints import fetch

            return fetch.cached(self.url)
        path = Path(str(resources.files("stylegan") / "weights" / self.file))
        return path if path.is_file() else None


def _official(file: str, resolution: int, megabytes: int) -> Model:
    name = file.rsplit("/", 1)[-1].removesuffix(".pkl")
    return Model(name, resolution, megabytes, _NVIDIA, f"{_OFFICIAL}{file}")


# Sizes of the official files, computed from their networks: two generators and a discriminator in float32. No
# checksum of theirs is known for certain, so none is pinned.
_TRANSFER = "transfer-learning-source-nets/"
MODELS = (
    Model("default", 128, 4, "Apache-2.0", file="portraits128.safetensors", portraits=True),
    Model("portraits128", 128, 4, "Apache-2.0", file="portraits128.safetensors", portraits=True),
    Model("aimoji", 64, 7, "Apache-2.0", file="aimoji64.safetensors"),
    _official("ffhq.pkl", 1024, 381),
    _official("metfaces.pkl", 1024, 381),
    _official("afhqcat.pkl", 512, 364),
    _official("afhqdog.pkl", 512, 364),
    _official("afhqwild.pkl", 512, 364),
    _official("brecahad.pkl", 512, 364),
    _official("cifar10.pkl", 32, 257),
    _official(f"{_TRANSFER}ffhq-res256-mirror-paper256-noaug.pkl", 256, 296),
    _official(f"{_TRANSFER}ffhq-res512-mirror-stylegan2-noaug.pkl", 512, 364),
    _official(f"{_TRANSFER}ffhq-res1024-mirror-stylegan2-noaug.pkl", 1024, 381),
    _official(f"{_TRANSFER}celebahq-res256-mirror-paper256-kimg100000-ada-target0.5.pkl", 256, 296),
    _official(f"{_TRANSFER}lsundog-res256-paper256-kimg100000-noaug.pkl", 256, 296),
)


def list_models(pattern: str = "*") -> list[str]:
    """Names that `stylegan.load` knows, such as "default" and "ffhq".

    Args:
        pattern: only names that match, with * and ? as in file names.

    >>> list_models("afhq*")
    ['afhqcat', 'afhqdog', 'afhqwild']
    """
    return [model.name for model in MODELS if fnmatch(model.name, pattern)]


def find(name: str) -> Model | None:
    """The model of that name, or None."""
    return next((model for model in MODELS if model.name == name), None)


def path_of(name: str) -> Path | None:
    """The file of a named generator or of a URL, fetched if need be; None if the name is neither.

    Before a fetch, prints on stderr what is fetched and how large it is.

    Raises:
        CheckpointError: if it cannot be fetched, or is not what was fetched at first.
    """
    model = find(name)
    if model is not None and model.url is None:
        return Path(str(resources.files("stylegan") / "weights" / model.file))
    if model is None and "://" not in name:
        return None
    from stylegan.checkpoints import fetch

    if model is None or model.url is None:
        return fetch.fetch(name, announce=f"Fetching {fetch.shown_url(name)}")
    size = f"{model.resolution} px, about {model.megabytes} MB"
    announce = f"Fetching {model.name}: {size}, {model.licence}; from {model.url}"
    return fetch.fetch(model.url, announce=announce, sha256=model.sha256)
