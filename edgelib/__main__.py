"""`python -m edgelib` is the command line."""

import sys

from edgelib.cli import main

sys.exit(main())
