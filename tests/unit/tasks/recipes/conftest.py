"""What the tests of recipes share: a service whose replies a test sets."""

from __future__ import annotations

from tests.unit.tasks.prompting import conftest

wire = conftest.wire
