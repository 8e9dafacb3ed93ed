"""Parameters whose braces are their own: templates, which Snakemake would take for wildcards.

Contract: a parameter that its rule marks with `x-literal` reaches the job as it is written. One that is to hold a
wildcard is given as a function of the wildcards, as in any rule.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dreamsmk.smk.meta import RuleMeta


# Any: Snakemake's Rule.
def keep_braces(rule: Any, meta: RuleMeta) -> None:
    """Lets the marked parameters of a rule pass Snakemake as they are: it fills in texts, never what functions say."""
    literal = {name for name, schema in meta.params["properties"].items() if schema.get("x-literal")}
    for index, (name, value) in enumerate(list(rule.params._allitems())):
        if name in literal and isinstance(value, (str, list)):
            rule.params[index] = _saying(value)
            rule.params._set_name(name, index)


# Any: a parameter's value.
def _saying(value: Any) -> Callable[..., Any]:
    def as_written(wildcards: Any) -> Any:
        return value

    return as_written
