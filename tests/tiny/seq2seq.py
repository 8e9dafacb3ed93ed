"""A T5 of two layers with random weights and a SentencePiece-like tokenizer: the same files from the same seed."""

from __future__ import annotations

import random
from pathlib import Path

from tests.tiny.model import TEXT

SPECIAL = ["<pad>", "</s>", "<unk>"]
# what JSON is made of, so that replies can be held to a schema
SYMBOLS = ' {}[]":,.-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ\\\n'


def make_tiny_t5(folder: Path, *, seed: int = 0, vocabulary: int = 400) -> Path:
    """Writes a sequence-to-sequence LM with its tokenizer into a folder, and returns the folder.

    Args:
        folder: Where to write; made where it is missing.
        seed: Of the weights.
        vocabulary: The most entries of the tokenizer.
    """
    import torch
    from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=_train_tokenizer(vocabulary),
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        model_max_length=128,
    )
    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=64,
        d_kv=16,
        d_ff=128,
        num_layers=2,
        num_heads=4,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=tokenizer.pad_token_id,
        # more spread than usual, so that random weights answer different prompts differently
        initializer_factor=2.0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = T5ForConditionalGeneration(config)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _train_tokenizer(vocabulary: int):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    words = random.Random(0)
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=vocabulary,
        special_tokens=SPECIAL,
        unk_token="<unk>",
        initial_alphabet=list(SYMBOLS),
        show_progress=False,
    )
    tokenizer.train_from_iterator((" ".join(words.choices(TEXT.split(), k=30)) for _ in range(500)), trainer)
    end = tokenizer.token_to_id("</s>")
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", end)])
    return tokenizer
