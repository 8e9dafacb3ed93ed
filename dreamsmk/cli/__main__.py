"""`python -m dreamsmk.cli`."""

import sys

from dreamsmk.cli.run import main

sys.exit(main())
