"""StyleGAN generators: networks, checkpoints, the generator in the box, the portraits it learnt from, and training."""

from stylegan.checkpoints.errors import CheckpointError
from stylegan.checkpoints.formats.native import save
from stylegan.checkpoints.loading import load
from stylegan.networks.discriminator import Discriminator
from stylegan.networks.stylegan2 import Generator

__all__ = ["CheckpointError", "Discriminator", "Generator", "load", "save"]
