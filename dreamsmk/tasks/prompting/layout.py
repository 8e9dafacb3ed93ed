"""How a row becomes a prompt.

Contract: one function per layout, used by every task that shows rows to a model, so that a student that was trained
on a layout meets the same text when it is prompted.
"""

from __future__ import annotations

INPUT_LABEL = "Input:"
INSTRUCTION_LABEL = "Instruction:"
SEPARATOR = "\n\n"


def process_prompt(
    text: str,
    instruction: str | None,
    *,
    input_label: str | None = INPUT_LABEL,
    instruction_label: str | None = INSTRUCTION_LABEL,
    separator: str = SEPARATOR,
) -> str:
    """Returns the prompt that asks for an instruction to be carried out on an input.

    The layout is `{input_label} {text}{separator}{instruction_label} {instruction}`.

    Args:
        text: The input.
        instruction: What to do with it; without one the prompt is the input alone, with no label.
        input_label: What stands before the input; none drops the label and its space.
        instruction_label: What stands before the instruction; none drops the label and its space.
        separator: What stands between the two.
    """
    if instruction is None:
        return text
    return f"{_labelled(input_label, text)}{separator}{_labelled(instruction_label, instruction)}"


def _labelled(label: str | None, text: str) -> str:
    return f"{label} {text}" if label else text
