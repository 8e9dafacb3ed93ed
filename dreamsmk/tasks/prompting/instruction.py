"""The words that a task puts to the model: a parameter, or a text file that is an input."""

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
    text = read_words(files[0], "instruction") if files else str(written)
    if not text.strip():
        raise SettingsError("the instruction is empty", where=str(files[0]) if files else "params.instruction")
    if files:
        context.facts.setdefault("prompts", {})["instruction"] = text.strip()
    return text.strip()


def given_instruction(context: Context) -> str | None:
    """Returns the instruction, where there is one; see `read_instruction`."""
    is_given = context.params["instruction"] is not None or context.inputs.get("instruction")
    return read_instruction(context) if is_given else None


def read_words(path: Path, name: str) -> str:
    """Returns the text of a file; `name` is what messages call it.

    Raises:
        SettingsError: It cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as exc:
        raise SettingsError(f"the {name} cannot be read: {exc.strerror or exc}", where=str(path)) from exc
    except UnicodeDecodeError as exc:
        raise SettingsError(f"the {name} is not UTF-8 text", where=str(path), hint="save it as UTF-8") from exc
