"""How likely a local model finds texts, or answers to prompts: the perplexity.

Contract: it is that of the corpus, exp(sum of the tokens' negative log-likelihoods / their number), never a mean over
batches or rows. The model's numbers are 32-bit floats (bfloat16 where the model spec says so; float16, in which a
likelihood overflows, is widened), its likelihoods 32-bit, sums 64-bit. Neither the batch size nor the order of the rows
changes it by more than the rounding of 32-bit floats. Prompts and answers are laid out as `fine_tune` does it, and the
tokens of the answer alone count.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import SettingsError, TrainingError
from dreamsmk.providers.base import check_packages
from dreamsmk.settings import ModelSpec
from dreamsmk.tasks.context import Context
from dreamsmk.tasks.evaluation.candidates import Candidate
from dreamsmk.tasks.evaluation.cells import Cells, read_cells, required, texts_of
from dreamsmk.tasks.evaluation.likelihood import Tokens, log_likelihoods
from dreamsmk.tasks.evaluation.measured import Measurement, Work, of_sums, spread
from dreamsmk.tasks.prompting.instruction import read_instruction
from dreamsmk.tasks.prompting.layout import process_prompt
from dreamsmk.tasks.training.frame.base_model import BaseModel
from dreamsmk.tasks.training.rows.examples import IGNORED, Encoder, encode_pairs, rows_in_words

if TYPE_CHECKING:
    import polars as pl

    from dreamsmk.tasks.evaluation.measured import Sums

_NO_LIMIT = 10**9


def prepare_perplexity(context: Context, candidate: Candidate) -> Work:
    """Reads and tokenizes the rows of a candidate, and returns what asks the model about them."""
    alias = candidate.model
    if alias is None:
        raise SettingsError("perplexity needs a model", where="params.model")
    spec = _widened(alias, context.model(alias).spec)
    texts, pairs = context.params["texts"], (context.params["inputs"], context.params["outputs"])
    if (texts is None) == (pairs == (None, None)):
        hint = "give texts=…, or inputs=… and outputs=…"
        raise SettingsError("perplexity is of texts, or of outputs given inputs", where="params.texts", hint=hint)
    columns = [texts] if texts is not None else [required(name, context.params[name], "perplexity") for name in _PAIR]
    cells = read_cells(context, candidate, columns)
    rows = encode_rows(context, candidate, BaseModel(alias, spec), cells, columns)

    def work() -> Measurement:
        context.progress.note(f"{candidate.said}: {alias} reads {len(rows)} rows")
        sums = log_likelihoods(spec, rows, context.progress)
        _refuse_nan(sums, candidate)
        measured = of_sums(["perplexity"], cells.covered, sums, lambda both, _: [_exp(both[0], both[1])])
        tokens = spread(sums[:, 1], cells.covered)
        return Measurement([measured], {"nll": spread(sums[:, 0], cells.covered), "tokens": tokens.cast(_int64())})

    return work


_PAIR = ("inputs", "outputs")


def _int64() -> pl.DataType:
    import polars as pl

    return pl.Int64()


def _widened(alias: str, spec: ModelSpec) -> ModelSpec:
    """Returns the spec of a model with numbers that a likelihood can be told in.

    Raises:
        SettingsError: It is no local model of transformers.
    """
    if spec.provider != "transformers":
        raise SettingsError(
            f"the model {alias!r} of provider {spec.provider!r} does not tell how likely a text is",
            where=f"models.{alias}",
            hint="choose a model with `provider: transformers`",
        )
    check_packages(["torch", "transformers", *(["peft"] if spec.adapter else [])], "transformers")
    if spec.quantization is not None:
        return dataclasses.replace(spec, dtype="bfloat16" if spec.dtype == "float16" else spec.dtype)
    return dataclasses.replace(spec, dtype="bfloat16" if spec.dtype == "bfloat16" else "float32")


def encode_rows(
    context: Context, candidate: Candidate, base: BaseModel, cells: Cells, columns: Sequence[str]
) -> list[Tokens]:
    """Returns the tokens of the rows that count.

    Raises:
        TrainingError: Rows are too long, or the model is none that texts can be put to.
    """
    from dreamsmk.providers.identity import chat_template_text
    from dreamsmk.providers.local.loading import context_of, load_tokenizer
    from dreamsmk.providers.local.quiet import quietly

    params = context.params
    where = str(candidate.table) + ("" if cells.covered.all() else " without the rows left out")
    with quietly():
        config, tokenizer = base.load_config("causal"), load_tokenizer(base.spec)
        limit = min(params["max_length"] or _NO_LIMIT, context_of(config, tokenizer) or _NO_LIMIT)
        texts = [texts_of(cells, column, candidate) for column in columns]
        if len(columns) == 1:
            return _encode_texts(texts[0], tokenizer, limit, truncate=params["truncate"], where=where)
        if base.spec.chat_template is not None:
            tokenizer.chat_template = chat_template_text(base.spec.chat_template)
        encoder = Encoder.of(base, tokenizer, params["system_prompt"])
        if not texts[0]:
            return []
        found = encode_pairs(
            _prompts(context, texts[0]), texts[1], encoder, max_length=limit, truncate=params["truncate"], where=where
        )
        return [Tokens(ids, labels) for ids, labels in found.select("input_ids", "labels").iter_rows()]


def _prompts(context: Context, texts: Sequence[str]) -> list[str]:
    params = context.params
    has_instruction = params["instruction"] is not None or context.inputs.get("instruction")
    instruction = read_instruction(context) if has_instruction else None
    labels = {name: params[name] for name in ("input_label", "instruction_label", "separator")}
    return [process_prompt(text, instruction, **labels) for text in texts]


# Any: transformers publishes no types.
def _encode_texts(texts: Sequence[str], tokenizer: Any, limit: int, *, truncate: bool, where: str) -> list[Tokens]:
    rows: list[list[int]] = tokenizer(list(texts))["input_ids"] if texts else []
    too_long = [row for row, ids in enumerate(rows) if len(ids) > limit]
    if too_long and not truncate:
        raise TrainingError(
            f"{len(too_long)} rows have more than {limit} tokens",
            where=f"{where}, {rows_in_words(too_long)}",
            hint="raise max_length, shorten these rows, or set `truncate: true` to cut their ends off",
        )
    # nothing stands before the first token that it could be likely after
    return [Tokens(ids[:limit], [IGNORED, *ids[1:limit]] if ids else []) for ids in rows]


def _refuse_nan(sums: Sums, candidate: Candidate) -> None:
    import numpy as np

    strange = np.flatnonzero(~np.isfinite(sums[:, 0]))
    if strange.size:
        raise TrainingError(
            f"the model gives {strange.size} rows no likelihood that is a number",
            where=f"{candidate.said}, {rows_in_words(strange.tolist())}",
            hint="its weights may be broken, or its numbers overflow: try dtype: float32",
        )


def _exp(nll: float, tokens: float) -> float:
    if not tokens:
        return math.nan  # texts too short for a token that counts
    try:
        return math.exp(nll / tokens)
    except OverflowError:
        return math.inf
