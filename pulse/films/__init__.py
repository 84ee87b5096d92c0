"""Films of a generator: walks through its latents, through drawn portraits, and between the results of searches."""
