"""Training of StyleGAN2 networks: `python -m stylegan.training --help`."""
