"""The words that a prompting task puts to the model: a parameter, or a text file that is an input."""

from __future__ import annotations

from pathlib import Path

from dreamsmk.errors import SettingsError
from dreamsmk.tasks.context import Context


def read_instruction(context: Context) -> str:
    """Returns the instruction, without surrounding white space.

    Raises:
        SettingsError: It is given twice, or not at all, or is empty.
    """
    written = context.params.get("instruction")
    files = context.inputs.get("instruction")
    if (written is None) == (not files):
        fault = "given both as a parameter and as a file" if files else "missing"
        raise SettingsError(
            f"the instruction is {fault}",
            where="instruction",
            hint="give params: instruction=… or input: instruction=…",
        )
    text = _read(files[0]) if files else str(written)
    if not text.strip():
        raise SettingsError("the instruction is empty", where=str(files[0]) if files else "params.instruction")
    if files:
        context.facts.setdefault("prompts", {})["instruction"] = text.strip()
    return text.strip()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as exc:
        raise SettingsError("the instruction is not UTF-8 text", where=str(path), hint="save it as UTF-8") from exc
