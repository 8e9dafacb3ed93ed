"""Puts an adapter into the weights of its base: one ordinary model folder that needs no peft any more.

Contract: the folder answers as base and adapter together do: both are asked for the same numbers, in 32-bit floats,
before the weights are stored. What does not fit together is refused, and so are weights that are not finite.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import SettingsError, StoreError
from dreamsmk.providers.http_status import one_line
from dreamsmk.providers.local.quiet import quietly
from dreamsmk.tasks.models.adapter import Adapter, read_adapter
from dreamsmk.tasks.models.local_model import LocalModel
from dreamsmk.tasks.models.probe import answers, distance
from dreamsmk.tasks.models.written_folder import size_bytes, write_folder

if TYPE_CHECKING:
    from dreamsmk.tasks.context import Context

_TOLERANCE = 1e-3
"""The most that merged answers may be off, as a part of them; sums in another order make about 1e-6."""


# Any (in this file): JSON values; transformers, peft and torch publish no types.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of each output role: a folder has none."""
    return {"model": None}


def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns the rows of each output role: a folder has none."""
    return {"model": None}


def merge_adapter(context: Context) -> None:
    """Merges the adapter of a model, or the one in the input folder, into the model's weights.

    Raises:
        SettingsError: There is no adapter, it does not fit the base, the base is quantized, or weights are not finite.
        StoreError: The folder would answer otherwise than base and adapter do.
    """
    params = context.params
    base = LocalModel(params["model"], context.model(params["model"]).spec)
    source = _adapter_source(context, base)
    with quietly():
        adapter = read_adapter(source, base)
        if not params["other_base"]:
            adapter.check_base(base)
        config = base.load_config()
        tokenizer = base.load_tokenizer(source)
        context.progress.note(f"merging an adapter of the kind {adapter.method}")
        model, stored = _load_base(base, adapter, config, tokenizer)
        merged = _merged(base, adapter, model)
        dtype = params["dtype"] or base.spec.dtype or stored
        _store_as(merged, dtype, base)
        write_folder(context.output("model"), merged, tokenizer, base, adapter=source)
    context.facts["merge"] = {
        "base_model": base.spec.model,
        "method": adapter.method,
        "task_type": adapter.config.task_type,
        "rank": getattr(adapter.config, "r", None),
        "dtype": dtype,
        "total_parameters": sum(p.numel() for p in merged.parameters()),
        "size_bytes": size_bytes(context.output("model")),
    }


def _adapter_source(context: Context, base: LocalModel) -> str:
    base.check_provider()
    given = context.inputs.get("adapter") or []
    if given and base.spec.adapter is not None:
        raise SettingsError(
            f"there are two adapters: the input, and the `adapter:` of {base.alias!r}",
            where=base.where,
            hint="leave one out",
        )
    if not given and base.spec.adapter is None:
        raise SettingsError(
            f"the model {base.alias!r} has no adapter",
            where=base.where,
            hint="give it an `adapter:`, or give the rule the input adapter=…",
        )
    if base.spec.quantization is not None:
        raise SettingsError(
            f"the model {base.alias!r} is quantized when it is loaded, and an adapter goes into plain weights",
            where=f"{base.where}.quantization",
            hint="name the same model without quantization, and quantize what was merged",
        )
    return str(given[0]) if given else str(base.spec.adapter)


def _load_base(base: LocalModel, adapter: Adapter, config: Any, tokenizer: Any) -> tuple[Any, str]:
    """Returns the base in 32-bit floats, shaped as the adapter found it, and the numbers that it is stored in."""
    task_type = adapter.config.task_type
    if task_type in ("SEQ_CLS", "TOKEN_CLS"):
        _set_labels(config, adapter)
        if config.pad_token_id is None:
            config.pad_token_id = tokenizer.pad_token_id  # without one, a decoder classifies one row at a time
    model = base.load_weights(config, task_type, brought=adapter.brought)
    stored = str(model.dtype).removeprefix("torch.")
    model.float()
    embeddings = model.get_input_embeddings()
    name = next(name for name, module in model.named_modules() if module is embeddings)
    vocabulary = adapter.vocabulary(name)
    if vocabulary is not None and vocabulary != embeddings.num_embeddings:
        # the rows that are added are the adapter's a moment later
        model.resize_token_embeddings(vocabulary, mean_resizing=False)
    elif len(tokenizer) > embeddings.num_embeddings:
        raise SettingsError(
            f"the tokenizer has {len(tokenizer)} tokens, and neither base nor adapter has embeddings for more than "
            f"{embeddings.num_embeddings}",
            where=base.where,
            hint="train the adapter with its embeddings, or without new tokens",
        )
    return model, stored


def _set_labels(config: Any, adapter: Adapter) -> None:
    count = adapter.label_count()
    if count is not None and count != config.num_labels:
        config.num_labels = count
    for name, value in adapter.labels.items():
        setattr(config, name, {int(key): label for key, label in value.items()} if name == "id2label" else value)


def _merged(base: LocalModel, adapter: Adapter, model: Any) -> Any:
    """Returns the model with the adapter in its weights."""
    from peft import PeftModel, set_peft_model_state_dict

    was_tied = _untie(model)
    try:
        with base.loading("adapter", adapter.source):
            adapted = PeftModel.from_pretrained(model, adapter.source, torch_device="cpu").eval()
            # once more: only this says what did not find its place
            result = set_peft_model_state_dict(adapted, adapter.weights)
    except SettingsError as exc:
        if "size mismatch" in exc.what:
            raise _misfit(base, adapter, "its weights have other shapes") from exc
        raise
    unused = [name for name in result.unexpected_keys if adapter.prefix in name]
    strays = [*unused, *_not_found(adapted, set(result.missing_keys))]
    if strays:
        raise _misfit(base, adapter, f"{len(strays)} weights have no counterpart, {min(strays)} first")
    expected = answers(adapted)
    try:
        merged = adapted.merge_and_unload(safe_merge=True).eval()
    except (AttributeError, NotImplementedError, TypeError, ValueError) as exc:
        raise SettingsError(
            f"the adapter {adapter.source!r} cannot be merged: {one_line(str(exc))}", where=base.where
        ) from exc
    if was_tied:
        _tie(merged)
    _check_finite(merged, adapter.source, "retrain it: its training diverged")
    error = distance(answers(merged), expected)
    if not error <= _TOLERANCE:
        raise StoreError(
            f"the merged model answers otherwise than base and adapter do: off by {error:.2g} of the answers' size",
            where=base.where,
        )
    return merged


def _misfit(base: LocalModel, adapter: Adapter, why: str) -> SettingsError:
    return SettingsError(
        f"the adapter {adapter.source!r} was made for another model than {base.spec.model!r}: {why}",
        where=base.where,
        hint="give the base that it was trained on",
    )


def _not_found(adapted: Any, missing: set[str]) -> list[str]:
    """Returns the weights of the adapter, and no other's, that are not in its files by any of their names."""
    weights = dict(adapted.named_parameters(remove_duplicate=False))
    found = {id(weight) for name, weight in weights.items() if name not in missing}
    # peft calls an adapter that it was given no name for "default"
    return [name for name in missing & weights.keys() if ".default" in name and id(weights[name]) not in found]


def _untie(model: Any) -> bool:
    """Gives the output layer weights of its own, where it shares those of the input embeddings.

    An adapter changes one of the two; merged into what they share it would change both.
    """
    import torch

    inputs, outputs = model.get_input_embeddings(), model.get_output_embeddings()
    if outputs is None or outputs.weight is not inputs.weight:
        return False
    outputs.weight = torch.nn.Parameter(inputs.weight.detach().clone())
    return True


def _tie(model: Any) -> None:
    """Lets the two share their weights again, where the adapter left them equal; else says that they do not."""
    import torch

    inputs, outputs = model.get_input_embeddings(), model.get_output_embeddings()
    is_same = torch.equal(inputs.weight, outputs.weight)
    model.config.tie_word_embeddings = is_same
    if is_same:
        outputs.weight = inputs.weight


def _store_as(model: Any, dtype: str, base: LocalModel) -> None:
    import torch

    model.to(getattr(torch, dtype))
    _check_finite(model, base.spec.model, f"take another dtype than {dtype}")


def _check_finite(model: Any, source: str, hint: str) -> None:
    bad = [name for name, weights in model.state_dict().items() if not weights.isfinite().all()]
    if bad:
        raise SettingsError(f"{len(bad)} weights of {source!r} are not finite, {bad[0]} first", hint=hint)
