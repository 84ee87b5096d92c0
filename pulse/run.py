"""`python -m pulse.run` takes the flags of PULSE's own script; see `pulse.app.run`."""

import sys

from pulse.app.run import main

if __name__ == "__main__":
    sys.exit(main())
