"""`python -m core ...`: see `core.cli`."""

import sys

try:
    from core.cli import app

    app(prog_name="python -m core")
except KeyboardInterrupt:  # while all this is still being imported
    sys.exit(130)
