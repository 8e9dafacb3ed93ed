"""The log-probabilities of a reply's tokens, where a request wants them.

Contract: they are those of the model itself, before temperature, penalties and schema: the log-softmax of its logits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dreamsmk.providers.local.grammar import SPACE_MARK

if TYPE_CHECKING:
    import torch

    from dreamsmk.providers.local.rows import Row


# Any: a tokenizer of transformers.
def note_logprobs(rows: Sequence[Row], logits: torch.Tensor, chosen: torch.Tensor, tokenizer: Any) -> None:
    """Adds what is known of the next token to each row that wants it.

    Args:
        rows: The rows of the batch.
        logits: The model's own logits, in float32, of the shape (rows, vocabulary).
        chosen: The next token of each row.
        tokenizer: Gives the texts of tokens.
    """
    import torch

    for place, row in enumerate(rows):
        count = row.request.sampling.logprobs
        if count is None or row.is_done:
            continue
        known = torch.log_softmax(logits[place], dim=-1)
        token = int(chosen[place])
        best = known.topk(min(count, known.shape[0]))
        row.logprobs.append(
            {
                "token": token_text(token, tokenizer),
                "logprob": float(known[token]),
                "top": [
                    {"token": token_text(other, tokenizer), "logprob": value}
                    for other, value in zip(best.indices.tolist(), best.values.tolist(), strict=True)
                ],
            }
        )


# Any: as above.
def token_text(token: int, tokenizer: Any) -> str:
    """Returns the text of one token, its leading space included; half a character is a replacement character."""
    text: str = tokenizer.decode([token], clean_up_tokenization_spaces=False)
    piece = tokenizer.convert_ids_to_tokens(token) or ""
    if piece.startswith(SPACE_MARK) and not text.startswith(" "):
        return f" {text}"
    return text
