"""Generates the tokens of a changing set of rows with one model: greedy search over what the processors leave.

Contract: a row's tokens are those of transformers' `generate` with the same processors. `generate` itself prepares each
batch and reads its prompts; its search is replaced (`custom_generate`) by one that takes finished rows out of the batch
and lets new ones in, so that no place in a batch waits for the longest reply.

Where the model's cache or its own generation config does not allow for that (see `cache_rows`, `ANY_STEP`), a batch
stays together until its last row is done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dreamsmk.providers.local.cache_rows import can_join, can_keep, joined, keep
from dreamsmk.providers.local.loading import LoadedModel
from dreamsmk.providers.local.logprobs import note_logprobs
from dreamsmk.providers.local.passes import in_passes
from dreamsmk.providers.local.quiet import quietly
from dreamsmk.providers.local.rows import Row
from dreamsmk.providers.local.sampling import GrammarMask, Group, GumbelNoise, RowsAtHand, logits_processors

if TYPE_CHECKING:
    import torch

PENALTY = "RepetitionPenaltyLogitsProcessor"
# Processors that look at rows one by one, and at no row's place in the padded batch. Others of a generation config (a
# forced first token, a penalty that grows) count steps of the batch, which rows that join later have not taken.
ANY_STEP = frozenset(
    {
        PENALTY,
        "SequenceBiasLogitsProcessor",
        "NoBadWordsLogitsProcessor",
        "SuppressTokensLogitsProcessor",
        "InfNanRemoveLogitsProcessor",
        "LogitNormalization",
        "TemperatureLogitsWarper",
        "TopKLogitsWarper",
        "TopPLogitsWarper",
        "MinPLogitsWarper",
        GrammarMask.__name__,
        GumbelNoise.__name__,
    }
)


@dataclass(slots=True)
class Running:
    """A batch between two steps: its tokens are chosen, and the model has not read the last ones yet.

    Attributes:
        rows: The rows, finished ones too where they cannot be taken out.
        ids: All tokens, of the shape (rows, tokens); the decoder's alone for a sequence-to-sequence model.
        inputs: What the model is called with, beside the tokens.
        processors: What changes the logits.
        model: The model as `generate` sees it.
        prepare: Makes the arguments of the model's next call.
        is_open: Whether other rows can be put beside these.
        is_loose: Whether rows can be taken out.
    """

    rows: list[Row]
    ids: torch.Tensor
    # Any: the model, its arguments and processors are transformers'.
    inputs: dict[str, Any]
    processors: Any
    model: Any
    prepare: Callable[..., dict[str, Any]]
    is_open: bool
    is_loose: bool


class Decoder:
    """Generates for rows that share their sampling values.

    Args:
        loaded: The model.
        group: The sampling values.
    """

    def __init__(self, loaded: LoadedModel, group: Group) -> None:
        self._loaded = loaded
        self._group = group
        self._at_hand = RowsAtHand()
        self._running: Running | None = None
        self._reads_in_passes = loaded.model.device.type == "cpu"  # not measured elsewhere
        self._begun: list[Row] = []
        self._done: list[Row] = []

    @property
    def rows(self) -> list[Row]:
        """The rows that need more tokens."""
        here = [*self._running.rows, *self._begun] if self._running else self._begun
        return [row for row in dict.fromkeys(here) if not row.is_done]

    @property
    def is_open(self) -> bool:
        """Whether rows can be put beside those that are there."""
        return self._running is None or self._running.is_open

    def admit(self, rows: Sequence[Row]) -> None:
        """Begins rows, the longest prompt first: the model reads the prompts, and their first tokens are chosen."""
        import torch

        # they belong here from now on, whatever happens
        self._begun = list(rows)
        with quietly(), torch.inference_mode():
            begun = [self._without_done(batch) for batch in self._read(self._begun)]
            self._running = self._together([batch for batch in (self._running, *begun) if batch is not None])
        self._begun = []

    def advance(self) -> list[Row]:
        """Goes on until a row is done, or more; returns those that are."""
        import torch

        with quietly(), torch.inference_mode():
            while self._running is not None and not self._done:
                # experts of a mixture are laid out for few tokens, which is a private matter of `generate`
                fast = getattr(self._running.model, "_optimize_model_for_decode", nullcontext)
                with fast():
                    while not self._done:
                        self._step(self._running)
                self._running = self._without_done(self._running)
        done, self._done = self._done, []
        return done

    def clear(self) -> tuple[list[Row], list[Row]]:
        """Lets go of everything; returns the rows that are done, and those that were not."""
        rows, done = self.rows, self._done
        self._running, self._begun, self._done, self._at_hand.rows = None, [], [], ()
        return done, rows

    def _read(self, rows: list[Row]) -> list[Running]:
        """Returns rows as batches that can be joined, or as one, after their first step."""
        passes = in_passes([len(row.prompt) for row in rows]) if self._reads_in_passes else [slice(None)]
        batches: list[Running] = []
        for part in passes:
            batches.append(self._prefilled(rows[part]))
            if len(passes) > 1 and not batches[0].is_open:
                # known only now, and so once: what was read is read again, with the others
                self._reads_in_passes, self._done = False, []
                return self._read(rows)
        return batches

    def _prefilled(self, rows: list[Row]) -> Running:
        """Returns rows as a batch, after their first step."""
        import torch

        for row in rows:
            row.begin()
        width = max(len(row.prompt) for row in rows)
        # a decoder goes on at the right end, an encoder counts positions from the left
        is_right = self._loaded.is_encoder_decoder
        pads = [[self._loaded.pad_id] * (width - len(row.prompt)) for row in rows]
        ids = [row.prompt + pad if is_right else pad + row.prompt for row, pad in zip(rows, pads, strict=True)]
        ones = [[1] * len(row.prompt) for row in rows]
        zeros = [[0] * len(pad) for pad in pads]
        mask = [one + zero if is_right else zero + one for one, zero in zip(ones, zeros, strict=True)]
        penalty = {} if self._group[4] is None else {"repetition_penalty": float(self._group[4])}
        self._at_hand.rows = rows
        device = self._loaded.model.device

        # Any: `generate` hands over what it has prepared, by name.
        def first_step(model: Any, input_ids: torch.Tensor, **given: Any) -> Running:
            return self._first_step(rows, model, input_ids, given)

        running: Running = self._loaded.model.generate(
            input_ids=torch.tensor(ids, device=device),
            attention_mask=torch.tensor(mask, device=device),
            max_new_tokens=max(row.limit for row in rows),
            logits_processor=logits_processors(self._group, self._at_hand),
            custom_generate=first_step,
            **penalty,
        )
        return running

    # Any: as above.
    def _first_step(self, rows: list[Row], model: Any, ids: torch.Tensor, given: dict[str, Any]) -> Running:
        processors = given.pop("logits_processor")
        for name in ("stopping_criteria", "generation_config"):
            given.pop(name)
        running = Running(
            rows=rows,
            ids=ids,
            inputs=given,
            processors=processors,
            model=model,
            # an adapter may have put its own in the place of the model's, for as long as `generate` runs
            prepare=model.prepare_inputs_for_generation,
            is_open=False,
            is_loose=False,
        )
        arguments = running.prepare(ids, is_first_iteration=True, **given)
        self._choose(running, model(**arguments, return_dict=True))
        kinds = {type(processor).__name__ for processor in processors}
        is_plain = kinds <= ANY_STEP and not self._loaded.has_virtual_tokens
        running.is_loose = is_plain and can_keep(running.inputs, len(rows))
        running.is_open = running.is_loose and not self._loaded.is_encoder_decoder and can_join(running.inputs)
        return running

    def _step(self, running: Running) -> None:
        """Lets the model read the last tokens, and chooses the next ones."""
        # a model that keeps nothing of its past reads all of it
        count = 1 if running.inputs.get("use_cache") else None
        arguments = running.prepare(running.ids, next_sequence_length=count, **running.inputs)
        self._choose(running, running.model(**arguments, return_dict=True))

    # Any: the model's output.
    def _choose(self, running: Running, output: Any) -> None:
        import torch

        update = running.model._update_model_kwargs_for_generation  # what every search of `generate` goes through
        running.inputs = update(output, running.inputs, is_encoder_decoder=self._loaded.is_encoder_decoder)
        logits = output.logits[:, -1].to(copy=True, dtype=torch.float32, device=running.ids.device)
        self._at_hand.rows = running.rows
        # processors may write into what they are given
        is_noted = any(row.request.sampling.logprobs is not None for row in running.rows)
        scores = running.processors(running.ids, logits.clone() if is_noted else logits)
        chosen = scores.argmax(dim=-1)
        note_logprobs(running.rows, logits, chosen, self._loaded.tokenizer)
        running.ids = torch.cat([running.ids, chosen[:, None]], dim=-1)
        for row, token in zip(running.rows, chosen.tolist(), strict=True):
            if not row.is_done:
                row.take(token)
                if row.is_done:
                    self._done.append(row)

    def _without_done(self, running: Running) -> Running | None:
        """Returns a batch without its finished rows; None where no row is left."""
        kept = [place for place, row in enumerate(running.rows) if not row.is_done]
        if not kept:
            return None
        if running.is_loose and len(kept) < len(running.rows):
            keep(running.inputs, kept, len(running.rows))
            running.ids = running.ids[kept]
            running.rows = [running.rows[place] for place in kept]
            self._tell_padding(running)
        return running

    def _together(self, batches: list[Running]) -> Running | None:
        """Returns batches as one; None where there is none."""
        import torch

        if len(batches) < 2:
            return batches[0] if batches else None
        running = batches[0]
        rows = [row for batch in batches for row in batch.rows]
        width = max(row.length for row in rows)
        ids = [[self._loaded.pad_id] * (width - row.length) + row.prompt + row.new for row in rows]
        running.inputs = joined([batch.inputs for batch in batches], [row.length for row in rows])
        running.ids = torch.tensor(ids, device=running.ids.device)
        running.rows = rows
        self._tell_padding(running)
        return running

    def _tell_padding(self, running: Running) -> None:
        """Tells the repetition penalty which tokens are padding: it has noted that for the rows of the beginning."""
        import torch

        if self._loaded.is_encoder_decoder:
            return
        width = running.ids.shape[1]
        for processor in running.processors:
            if type(processor).__name__ == PENALTY:
                padding = [width - row.length for row in running.rows]
                processor.prompt_ignore_length = torch.tensor(padding, device=running.ids.device)
