"""StyleGAN generators: networks, checkpoints, the generator in the box, the portraits it learnt from, and training."""

from stylegan.discriminator import Discriminator
from stylegan.errors import CheckpointError
from stylegan.formats.native import save
from stylegan.loading import load
from stylegan.stylegan2 import Generator

__all__ = ["CheckpointError", "Discriminator", "Generator", "load", "save"]
