"""A BERT of one layer with random weights that reads words: as an embedding model and as a classifier."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.tiny.model import TEXT

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
NLI_LABELS = ("contradiction", "neutral", "entailment")


def make_tiny_encoder(folder: Path, *, reads: int = 16, prompts: dict[str, str] | None = None) -> Path:
    """Writes a SentenceTransformer of 32 dimensions into a folder, and returns the folder.

    Args:
        folder: Where to write.
        reads: Tokens that it reads, the two around a text among them.
        prompts: Prompts by name.
    """
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertModel

    plain = folder.with_name(folder.name + "-plain")
    with _seeded():
        BertModel(_config(2)).save_pretrained(plain)
    _tokenizer(reads).save_pretrained(plain)
    SentenceTransformer(modules=[Transformer(str(plain)), Pooling(32)], prompts=prompts, device="cpu").save(
        str(folder), create_model_card=False
    )
    return folder


def make_tiny_classifier(
    folder: Path, labels: Sequence[str] = ("bad", "fair", "good"), *, problem_type: str | None = None, reads: int = 16
) -> Path:
    """Writes a sequence classifier into a folder, and returns the folder.

    Args:
        folder: Where to write.
        labels: Its labels.
        problem_type: What its config says of them.
        reads: Tokens that it reads, those around a text among them.
    """
    from transformers import BertForSequenceClassification

    config = _config(len(labels))
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: i for i, label in enumerate(labels)}
    config.problem_type = problem_type
    with _seeded():
        BertForSequenceClassification(config).save_pretrained(folder)
    _tokenizer(reads).save_pretrained(folder)
    return folder


def _config(label_count: int):
    from transformers import BertConfig

    return BertConfig(
        vocab_size=len(SPECIAL) + len(set(TEXT.split())),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=64,
        num_labels=label_count,
        initializer_range=0.5,
    )


def _tokenizer(reads: int):
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = [*SPECIAL, *dict.fromkeys(TEXT.split())]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=reads,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
    )


def _seeded():
    import contextlib

    import torch

    stack = contextlib.ExitStack()
    stack.enter_context(torch.random.fork_rng(devices=[]))
    torch.manual_seed(0)
    return stack
