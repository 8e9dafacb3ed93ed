"""How a row becomes a prompt.

Contract: one function per layout, used by every task that shows rows to a model, so that a student that was trained
on a layout meets the same text when it is prompted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

INPUT_LABEL = "Input:"
OUTPUT_LABEL = "Output:"
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
    return f"{labelled(input_label, text)}{separator}{labelled(instruction_label, instruction)}"


def labelled(label: str | None, text: str) -> str:
    """Returns a text with a label and a space before it; no label drops the space too."""
    return f"{label} {text}" if label else text


@dataclass(frozen=True, slots=True)
class FewShotParts:
    """The parts of few-shot prompts; joined by nothing they are a prompt.

    Attributes:
        head: The instruction, or nothing.
        examples: One text an example.
    """

    head: str
    examples: list[str]
    input_label: str | None
    output_label: str | None
    separator: str

    def tail(self, text: str) -> str:
        """Returns the input and the label that the model goes on after; a space after it would be a token."""
        return f"{labelled(self.input_label, text)}{self.separator}{self.output_label or ''}"


def few_shot_parts(
    pairs: Sequence[tuple[str, str]],
    instruction: str | None,
    *,
    input_label: str | None = INPUT_LABEL,
    output_label: str | None = OUTPUT_LABEL,
    separator: str = "\n",
) -> FewShotParts:
    """Returns the parts of few-shot prompts.

    The layout is the instruction, then `{input_label} {input}{separator}{output_label} {output}` of each example, then
    `{input_label} {text}{separator}{output_label}`, each after a separator.

    Args:
        pairs: The input and the output of each example.
        instruction: What stands before them.
        input_label: What stands before an input; none drops the label and its space.
        output_label: What stands before an output; none drops the label and its space.
        separator: What stands between everything.
    """
    examples = [
        f"{labelled(input_label, given)}{separator}{labelled(output_label, wanted)}{separator}"
        for given, wanted in pairs
    ]
    head = f"{instruction}{separator}" if instruction else ""
    return FewShotParts(head, examples, input_label, output_label, separator)
