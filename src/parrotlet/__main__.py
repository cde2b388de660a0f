"""``python -m parrotlet`` comes in; the command line goes out."""

import sys

from parrotlet.cli import main

if __name__ == "__main__":
    sys.exit(main())
