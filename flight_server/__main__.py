"""`python -m flight_server` is the command `frostline`."""

import sys

from flight_server.cli import main

sys.exit(main())
