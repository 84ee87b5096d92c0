"""Feed-forward super-resolution: one pass of a network from 16 to 128 px, as an alternative to a search."""
