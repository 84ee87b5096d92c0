"""StyleGAN generators: networks, checkpoints, the generator in the box, the portraits it learnt from, training.

G = stylegan.load("default")                       # or a path, a URL, a name of stylegan.list_models()
images = stylegan.sample(G, seeds=range(16), truncation_psi=0.7)   # (16, 3, R, R) in [0, 1]
stylegan.save(G, "faces.safetensors")
"""

from stylegan.checkpoints.errors import CheckpointError
from stylegan.checkpoints.formats.native import save
from stylegan.checkpoints.loading import load
from stylegan.checkpoints.zoo import list_models
from stylegan.generator import Generator
from stylegan.networks.discriminator import Discriminator
from stylegan.sampling import sample

__all__ = ["CheckpointError", "Discriminator", "Generator", "list_models", "load", "sample", "save"]
