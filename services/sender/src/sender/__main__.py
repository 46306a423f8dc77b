"""Run the sender until SIGTERM, or do what a command asks for."""

import sys

from sender.cli import main

sys.exit(main())
