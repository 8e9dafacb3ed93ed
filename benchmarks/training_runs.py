"""One training, ours or with the bare library, in a process of its own; see `training.py`.

    python -m benchmarks.training_runs dreamsmk|bare TRAINER lora|full MODEL FOLDER STEPS
    python -m benchmarks.training_runs model FOLDER

prints `{"tokens", "seconds", "cpu_seconds", "loss"}` as JSON.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.tiny.model import TEXT

ROWS = 480
BATCH = 8
LEARNING_RATE = 1e-4
MAX_LENGTH = 256
WORDS = TEXT.split()


def make_model(folder: Path) -> None:
    """Writes a Llama of 5 million random weights, most of them in its layers, with a byte-level tokenizer."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from tests.tiny import make_tiny_model

    make_tiny_model(folder)
    small = LlamaConfig.from_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        **{
            **small.to_dict(),
            "hidden_size": 256,
            "intermediate_size": 768,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 64,
            "vocab_size": 8192,
        }
    )
    LlamaForCausalLM(config).save_pretrained(folder)


def texts(count: int, seed: int, least: int, most: int) -> list[str]:
    """Returns texts of mixed length."""
    drawn = random.Random(seed)
    return [" ".join(drawn.choices(WORDS, k=drawn.randint(least, most))) for _ in range(count)]


COLUMNS: dict[str, Callable[[], dict[str, list[Any]]]] = {
    "fine_tune": lambda: {"prompt": texts(ROWS, 1, 10, 40), "completion": texts(ROWS, 2, 5, 20)},
    "dpo": lambda: {
        "prompt": texts(ROWS, 1, 10, 40),
        "chosen": texts(ROWS, 2, 5, 20),
        "rejected": texts(ROWS, 3, 5, 20),
    },
    "classifier": lambda: {"text": texts(ROWS, 1, 10, 60), "label": [row % 3 for row in range(ROWS)]},
}
PARAMS: dict[str, dict[str, Any]] = {
    "fine_tune": {"inputs": "prompt", "outputs": "completion", "max_length": MAX_LENGTH},
    "dpo": {"prompts": "prompt", "chosen": "chosen", "rejected": "rejected", "max_length": MAX_LENGTH},
    "classifier": {"texts": "text", "labels": "label", "max_length": MAX_LENGTH},
}


def run_ours(trainer: str, weights: str, model: Path, folder: Path, steps: int) -> dict[str, float]:
    """Trains by the task of the rule."""
    import polars

    from tests.unit.tasks.training.job import Job

    folder.mkdir(parents=True)
    job = Job(folder, model, rule=trainer, given=PARAMS[trainer])
    with timed_training() as clock:
        facts = job.run(
            polars.DataFrame(COLUMNS[trainer]()),
            max_steps=steps,
            batch_size=BATCH,
            learning_rate=LEARNING_RATE,
            **({} if weights == "lora" else {"lora": None}),
        )
    return {"tokens": facts["tokens"], "loss": facts["final_loss"], **clock}


def run_bare(trainer: str, weights: str, model: Path, folder: Path, steps: int) -> dict[str, float]:
    """Trains by the library as its documentation shows it."""
    import datasets
    from peft import LoraConfig
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    arguments: dict[str, Any] = {
        "output_dir": str(folder),
        "max_steps": steps,
        "per_device_train_batch_size": BATCH,
        "learning_rate": LEARNING_RATE,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "disable_tqdm": True,
        "seed": 42,
        "include_num_input_tokens_seen": "non_padding",
        "dataloader_pin_memory": False,
    }
    task_type = "SEQ_CLS" if trainer == "classifier" else "CAUSAL_LM"
    lora = LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type=task_type)
    make = {"fine_tune": bare_sft, "dpo": bare_dpo, "classifier": bare_classifier}[trainer]
    columns = COLUMNS[trainer]()
    made = make(
        str(model), tokenizer, arguments, datasets.Dataset.from_dict(columns), lora if weights == "lora" else None
    )
    with timed_training() as clock:
        made.train()
    losses = [entry["loss"] for entry in made.state.log_history if "loss" in entry]
    return {"tokens": made.state.num_input_tokens_seen, "loss": losses[-1], **clock}


# Any (below): transformers, datasets and peft publish no types.
def bare_sft(model: str, tokenizer: Any, arguments: dict[str, Any], rows: Any, lora: Any) -> Any:
    from trl import SFTConfig, SFTTrainer

    args = SFTConfig(**arguments, max_length=MAX_LENGTH)
    return SFTTrainer(model, args=args, train_dataset=chats(rows), processing_class=tokenizer, peft_config=lora)


def bare_dpo(model: str, tokenizer: Any, arguments: dict[str, Any], rows: Any, lora: Any) -> Any:
    from trl import DPOConfig, DPOTrainer

    args = DPOConfig(**arguments, max_length=MAX_LENGTH)
    return DPOTrainer(model, args=args, train_dataset=chats(rows), processing_class=tokenizer, peft_config=lora)


def bare_classifier(model: str, tokenizer: Any, arguments: dict[str, Any], rows: Any, lora: Any) -> Any:
    from peft import get_peft_model
    from transformers import AutoModelForSequenceClassification, DataCollatorWithPadding, Trainer, TrainingArguments

    loaded = AutoModelForSequenceClassification.from_pretrained(
        model, num_labels=3, pad_token_id=tokenizer.pad_token_id, dtype="float32"
    )
    encoded = rows.map(lambda row: tokenizer(row["text"]), remove_columns=["text"]).rename_column("label", "labels")
    return Trainer(
        get_peft_model(loaded, lora) if lora else loaded,
        args=TrainingArguments(**arguments),
        train_dataset=encoded,
        processing_class=tokenizer,
        data_collator=DataCollatorWithPadding(tokenizer),
    )


def chats(rows: Any) -> Any:
    """Returns texts as the messages of a user and an assistant."""

    def turned(row: dict[str, str]) -> dict[str, Any]:
        return {
            name: [{"role": "user" if name == "prompt" else "assistant", "content": text}] for name, text in row.items()
        }

    return rows.map(turned)


class timed_training:
    """Times the first `trainer.train()` within the block: seconds and seconds of CPU."""

    def __enter__(self) -> dict[str, float]:
        from transformers import Trainer

        clock: dict[str, float] = {}
        train = Trainer.train

        def timed(trainer: Any, *args: Any, **kwargs: Any) -> Any:
            began, cpu = time.perf_counter(), time.process_time()
            try:
                return train(trainer, *args, **kwargs)
            finally:
                clock.update(seconds=time.perf_counter() - began, cpu_seconds=time.process_time() - cpu)

        self._train, Trainer.train = train, timed
        return clock

    def __exit__(self, *exc: object) -> None:
        from transformers import Trainer

        Trainer.train = self._train


def main() -> None:
    warnings.simplefilter("ignore")
    os.environ["HF_HUB_OFFLINE"] = "1"
    if sys.argv[1] == "model":
        make_model(Path(sys.argv[2]))
        print(json.dumps({}))
        return
    tool, trainer, weights, model, folder, steps = sys.argv[1:]
    run = run_ours if tool == "dreamsmk" else run_bare
    print(json.dumps(run(trainer, weights, Path(model), Path(folder), int(steps))))


if __name__ == "__main__":
    main()
