"""`python -m realtime`: the command of the same name."""

import sys

from realtime.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
