"""`python -m clicks`: serve until SIGTERM."""

import sys

from clicks.app import main

sys.exit(main())
