"""The networks of StyleGAN 1 and 2: mapping, synthesis, discriminator, and the layers that they are made of."""
