"""`python -m trainers`: the command of the same name."""

import sys

from trainers.cli import main

if __name__ == "__main__":
    sys.exit(main())
