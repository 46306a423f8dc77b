"""Run analytics until SIGTERM, or do what a command asks for."""

import sys

from analytics.cli import main

sys.exit(main())
