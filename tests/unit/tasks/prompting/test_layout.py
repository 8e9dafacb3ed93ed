from __future__ import annotations

from dreamsmk.tasks.prompting.layout import process_prompt


def test_the_input_comes_first_and_the_instruction_last():
    assert process_prompt("a text", "do it") == "Input: a text\n\nInstruction: do it"


def test_a_label_that_is_null_or_empty_goes_with_its_space():
    assert process_prompt("a text", "do it", input_label=None, instruction_label="") == "a text\n\ndo it"


def test_the_separator_stands_between():
    assert process_prompt("a", "b", input_label="In:", instruction_label="Do:", separator=" | ") == "In: a | Do: b"


def test_without_an_instruction_the_input_stands_alone():
    assert process_prompt("a text", None) == "a text"
