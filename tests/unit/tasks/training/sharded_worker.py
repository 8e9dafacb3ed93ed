"""A worker as `frame.workers` runs it, on CPUs that accelerate shares weights out among.

accelerate 1.x takes up FSDP for accelerators alone, though torch's FSDP2 runs over gloo as well.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from accelerate.state import PartialState
from accelerate.utils import DistributedType

from dreamsmk.tasks.training.frame.workers import JOB_FILE, main

make = PartialState.__init__


def make_like_an_accelerator(self: PartialState, *args: Any, **kwargs: Any) -> None:
    make(self, *args, **kwargs)
    if self.distributed_type == DistributedType.MULTI_CPU:
        self.distributed_type = DistributedType.MULTI_XPU


if __name__ == "__main__":
    if json.loads((Path(sys.argv[1]) / JOB_FILE).read_text())["params"]["sharding"] == "fsdp":
        PartialState.__init__ = make_like_an_accelerator
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
