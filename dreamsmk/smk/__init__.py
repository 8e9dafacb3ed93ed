"""Everything that knows Snakemake, and nothing else does."""

from dreamsmk.smk.binding import Binding
from dreamsmk.smk.directives import Fingerprint, api, gpu, gpu_manufacturer, module_of, threads, wrapper
from dreamsmk.smk.install import complete, install, wanted_rules
from dreamsmk.smk.meta import load_meta, rule_names, rules_folder

__all__ = [
    "Binding",
    "Fingerprint",
    "api",
    "complete",
    "gpu",
    "gpu_manufacturer",
    "install",
    "load_meta",
    "module_of",
    "rule_names",
    "rules_folder",
    "threads",
    "wanted_rules",
    "wrapper",
]
