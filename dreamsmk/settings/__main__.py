"""Prints the reference page of the settings: `python -m dreamsmk.settings > docs/reference/settings.md`."""

from __future__ import annotations

import sys

from dreamsmk.settings.reference import reference_page

if __name__ == "__main__":
    sys.stdout.write(reference_page())
