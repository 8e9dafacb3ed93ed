"""Keeps the chatter of the training libraries out of the log of a job.

Contract: their settings are as they were when the block is left.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from dreamsmk.providers.local.quiet import quiet_torchao


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Silences the progress bars and all but the errors of transformers within a `with` block."""
    from transformers.utils import logging

    verbosity, had_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings(), quiet_torchao():
            # peft 0.21 asks transformers for it by its old name; delete this when it does not
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
            yield
    finally:
        logging.set_verbosity(verbosity)
        if had_bars:
            logging.enable_progress_bar()
