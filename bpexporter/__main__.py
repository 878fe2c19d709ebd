"""``python -m bpexporter`` is the command ``bpexporter``."""

import sys

from bpexporter.cli import main

if __name__ == "__main__":
    sys.exit(main())
