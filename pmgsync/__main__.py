"""`python -m pmgsync` is `pmgsync`."""

import sys

from pmgsync.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
