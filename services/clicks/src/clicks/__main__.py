"""`python -m clicks`: serve until SIGTERM, or do what a command asks for."""

import sys

from clicks.cli import main

sys.exit(main())
