from __future__ import annotations

import pytest
import torch

from dreamsmk.tasks.training.frame.quiet import quiet_libraries
from dreamsmk.tasks.training.output_loss import output_loss, trainer_class
from tests.tiny import make_tiny_adapter


def batch(vocabulary: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(0, vocabulary, (3, 12), generator=generator)
    labels, mask = ids.clone(), torch.ones_like(ids)
    for row, (prompt, end) in enumerate([(4, 12), (6, 9), (2, 7)]):
        labels[row, :prompt] = labels[row, end:] = -100
        mask[row, end:] = 0
    return {"input_ids": ids, "labels": labels, "attention_mask": mask}


@pytest.mark.parametrize("items", [None, 40])
def test_loss_and_gradients_are_those_of_trl(tiny_model, items):
    from transformers import AutoModelForCausalLM
    from trl.trainer.utils import add_fused_lm_head

    ours, theirs = (AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32) for _ in range(2))
    add_fused_lm_head(theirs)
    inputs = batch(ours.config.vocab_size)
    loss = output_loss(ours, inputs, items)
    expected = theirs(**inputs, fused_lm_head=True, num_items_in_batch=items).loss
    torch.testing.assert_close(loss, expected)
    loss.backward()
    expected.backward()
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_a_gpu_and_a_model_that_cannot_leave_out_logits_get_trls_own_trainer(tiny_model):
    from transformers import AutoModelForCausalLM
    from trl import SFTTrainer

    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    assert trainer_class(model, has_gpu=True) is SFTTrainer
    assert trainer_class(torch.nn.Linear(2, 2), has_gpu=False) is SFTTrainer
    assert issubclass(trainer_class(model, has_gpu=False), SFTTrainer)


def test_a_model_with_an_adapter_leaves_out_logits_too(tiny_model, tmp_path):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM
    from trl import SFTTrainer

    adapter = make_tiny_adapter(tmp_path / "adapter", tiny_model)
    with quiet_libraries():
        model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_model), adapter)
    assert trainer_class(model, has_gpu=False) is not SFTTrainer
    inputs = batch(model.config.vocab_size)
    torch.testing.assert_close(output_loss(model, inputs), model(**inputs).loss)


def test_a_model_with_a_loss_beside_that_of_its_logits_gets_trls_own_trainer(tiny_model):
    from transformers import AutoModelForCausalLM
    from trl import SFTTrainer

    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    model.config.output_router_logits = True
    assert trainer_class(model, has_gpu=False) is SFTTrainer
