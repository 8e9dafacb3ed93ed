"""Keeps transformers and the Hub client silent while they work for us, and only that long."""

from __future__ import annotations

import logging as standard_logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quietly() -> Iterator[None]:
    """Turns off warnings, log lines and progress bars of transformers, and puts all back as it was."""
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
    from transformers.utils import logging

    verbosity = logging.get_verbosity()
    has_bar = logging.is_progress_bar_enabled()
    has_hub_bar = not are_progress_bars_disabled()
    with warnings.catch_warnings(), quiet_torchao():
        warnings.simplefilter("ignore")
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        disable_progress_bars()
        try:
            yield
        finally:
            logging.set_verbosity(verbosity)
            if has_bar:
                logging.enable_progress_bar()
            if has_hub_bar:
                enable_progress_bars()


@contextmanager
def quiet_torchao() -> Iterator[None]:
    """Turns off what torchao, where it is installed, says on import of kernels that this machine cannot run."""
    import torch  # noqa: F401  # torch sets the levels of its loggers when it is imported

    loggers = [standard_logging.getLogger(name) for name in ("torchao", "torch.utils._pytree")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(standard_logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
