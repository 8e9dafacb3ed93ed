"""dreamsmk: Snakemake for LLM workflows.

A workflow needs two names of it: `rules()`, the module of rules to import, and `check_config()`, which reports a wrong
config before anything is built.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

__version__ = "0.1.0"

__all__ = ["__version__", "check_config", "rules"]


def rules() -> str:
    """Returns the path of the rule module, for `module dream: snakefile: dreamsmk.rules()`."""
    from dreamsmk.smk.meta import rules_folder

    return str(rules_folder() / "all.smk")


# Any: YAML.
def check_config(config: Mapping[str, Any], schema: str | Path) -> None:
    """Checks a workflow's config against dreamsmk's own schema and the workflow's.

    Args:
        config: The config, as Snakemake read it.
        schema: A file (YAML or JSON) with the JSON Schema of the workflow's own keys.

    Raises:
        WorkflowError: A key is unknown or missing, or a value is wrong; the message names the key and the nearest one.
    """
    from dreamsmk.smk.config import check_workflow_config

    check_workflow_config(config, Path(schema))
