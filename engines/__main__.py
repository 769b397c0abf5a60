"""`python -m engines`: the command of the same name."""

import sys

from engines.cli import main

if __name__ == "__main__":
    sys.exit(main())
