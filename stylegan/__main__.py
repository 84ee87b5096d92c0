"""`python -m stylegan` is the command `stylegan`."""

import sys

from stylegan.cli import main

if __name__ == "__main__":
    sys.exit(main())
