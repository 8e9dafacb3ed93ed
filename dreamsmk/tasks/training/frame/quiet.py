"""Keeps the chatter of the training libraries out of the log of a job, and off the network.

Contract: their settings are as they were when the block is left.
"""

from __future__ import annotations

import logging as standard_logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from dreamsmk.providers.local.quiet import quiet_torchao


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Silences progress bars, and all but errors of transformers, TRL and sentence-transformers, in a `with` block."""
    from huggingface_hub import constants
    from transformers.utils import logging

    others = [standard_logging.getLogger(name) for name in ("trl", "sentence_transformers")]
    levels = [logger.level for logger in others]
    for logger in others:
        logger.setLevel(standard_logging.ERROR)
    # TRL tells the Hub which of its trainers is made
    told, constants.HF_HUB_DISABLE_TELEMETRY = constants.HF_HUB_DISABLE_TELEMETRY, True
    verbosity, had_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings(), quiet_torchao():
            # peft 0.21 and trl 1.16 ask transformers for it by its old name; delete this when they do not
            old = "`(is_gradient_checkpointing|gradient_checkpointing_(en|dis)able)` is deprecated"
            warnings.filterwarnings("ignore", old, FutureWarning)
            # sentence-transformers 6.2 has it by its old name; delete this when it has not
            warnings.filterwarnings("ignore", ".*gradient_checkpointing_enable", FutureWarning)
            # said where a model's embeddings are tied, and other layers are trained whole beside an adapter
            warnings.filterwarnings("ignore", "You have requested `ensure_weight_tying`", UserWarning)
            yield
    finally:
        for logger, level in zip(others, levels, strict=True):
            logger.setLevel(level)
        constants.HF_HUB_DISABLE_TELEMETRY = told
        logging.set_verbosity(verbosity)
        if had_bars:
            logging.enable_progress_bar()
