"""``python -m bpexporter`` is the command ``bpexporter``."""

import sys

from bpexporter.commands.main import main

if __name__ == "__main__":
    sys.exit(main())
