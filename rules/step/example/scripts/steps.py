"""Steps of the workflow."""

from __future__ import annotations

import polars as pl

from dreamsmk.tasks.step import Step


def titles(step: Step) -> dict[str, pl.DataFrame]:
    """Returns each paper with a title, and notes how many there are."""
    papers = step.table("papers")
    prompts = [f"Give a title of {step.args['words']} words to: {abstract}" for abstract in papers["abstract"]]
    step.output("note").write_text(f"{papers.height} titles\n")
    return {"titles": papers.with_columns(title=pl.Series(step.ask(prompts), dtype=pl.String))}
