"""The check that queries are put to the model that their index is made with, before the index is made.

Contract: where the job that makes the index is in the graph, its model is known; that of an index that is only there as
a folder is compared by the job itself. A folder of a model counts by its path here, for it may not be there yet.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from dreamsmk.providers import resolve_identity
from dreamsmk.smk.binding import Binding
from dreamsmk.smk.identify import identity_json, spec_of

RULE = "index"
# The parameters that name the model of the queries, the first that a rule has.
_OF_QUERIES = ("embedder", "model")

# Any (in this file): JSON.
Params = Mapping[str, Any]


def is_looked_up(binding: Binding) -> bool:
    """Says whether a rule looks something up in an index."""
    role = binding.meta.inputs.get(RULE)
    return role is not None and role.kind == "folder"


def check_index_model(binding: Binding, params: Params, maker: Binding, maker_params: Params, *, where: str) -> None:
    """Finds that a job looks queries up in an index that will be of another model.

    Args:
        binding: The rule of the job.
        params: Its parameters.
        maker: The rule that makes an input of it.
        maker_params: The parameters of that.
        where: What to name in errors.

    Raises:
        SettingsError: It is the rule `index`, and its model is another one.
    """
    name = next(name for name in _OF_QUERIES if name in params)
    if maker.meta.name != RULE or params[name] is None or maker_params["model"] is None:
        return
    from dreamsmk.tasks.retrieval.vector_column import check_same_model

    of_index, of_queries = _identity(maker, maker_params["model"]), _identity(binding, params[name])
    check_same_model(of_index, of_queries, where=f"{where}, params.{name}")


def _identity(binding: Binding, alias: str) -> dict[str, Any]:
    identity = resolve_identity(spec_of(alias, binding.settings), os.path.abspath)
    return identity_json(identity)
