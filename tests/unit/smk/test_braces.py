"""Braces of templates are their own, and no wildcards."""

from __future__ import annotations

from typing import Any

from snakemake.iocontainers import Params

from dreamsmk.smk.binding import raw_params
from dreamsmk.smk.braces import keep_braces
from dreamsmk.smk.meta import load_meta


class Rule:
    """As much of Snakemake's Rule as holds parameters."""

    def __init__(self, **params: Any) -> None:
        self.params = Params()
        for name, value in params.items():
            self.params.append(value)
            self.params._add_name(name)


def test_marked_parameters_are_taken_as_they_are_written_and_others_hold_wildcards() -> None:
    rule = Rule(template="{{ title }}", system_prompt="About {topic}.", carry=["{topic}"])
    keep_braces(rule, load_meta("prompt"))
    filled = raw_params(rule, {"topic": "food"}, {})
    assert filled == {"template": "{{ title }}", "system_prompt": "About food.", "carry": ["food"]}
    assert callable(rule.params.template), "Snakemake fills in texts alone"


def test_lists_are_kept_too_and_functions_still_see_the_wildcards() -> None:
    rule = Rule(turns=["{{ a }}", "{b}"])
    keep_braces(rule, load_meta("chat"))
    keep_braces(rule, load_meta("chat"))
    assert raw_params(rule, {}, {}) == {"turns": ["{{ a }}", "{b}"]}
    rule = Rule(instruction=lambda wildcards: f"{wildcards['topic']} {{mood}}")
    keep_braces(rule, load_meta("data_from_attributed_prompt"))
    assert raw_params(rule, {"topic": "food"}, {}) == {"instruction": "food {mood}"}
