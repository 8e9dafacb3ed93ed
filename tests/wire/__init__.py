"""A local HTTP server that speaks the wire formats of the services."""

from tests.wire.faults import Fault
from tests.wire.server import Recorded, WireServer

__all__ = ["Fault", "Recorded", "WireServer"]
