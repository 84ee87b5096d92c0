"""Many pictures in one run: which file each result goes to, what is done already, what went wrong."""
