"""What every package above needs: whole-or-nothing files, pixels, grids, the terminal, progress, processes."""
