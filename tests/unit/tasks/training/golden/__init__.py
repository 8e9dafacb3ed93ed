"""What the rules that train are trained on, one module a rule: weights differ from one processor to the next."""

from __future__ import annotations

import pkgutil
from importlib import import_module

MODULES = [import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)]
