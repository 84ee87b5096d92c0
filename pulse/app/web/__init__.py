"""The page of `pulse app`: drop, paste or draw a small picture, and watch a face being found for it."""
