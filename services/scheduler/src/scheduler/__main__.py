"""Run the scheduler until SIGTERM, or do what a command asks for."""

import sys

from scheduler.cli import main

sys.exit(main())
