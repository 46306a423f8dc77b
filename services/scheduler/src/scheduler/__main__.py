"""Run the scheduler until SIGTERM."""

import sys

from scheduler.app import main

sys.exit(main())
