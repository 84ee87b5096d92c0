"""`python -m pulse` is the command `pulse`."""

import sys

from pulse.app.cli import main

if __name__ == "__main__":
    sys.exit(main())
