"""The embedding model that a training begins with, and the folder that is left of it.

Contract: whatever can be wrong with the model is found before the first step. The folder holds a whole model, which
plain `SentenceTransformer` loads: an adapter is merged into the weights. There is no card of the library in it, and
equal trainings leave equal bytes.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import MissingExtra, SettingsError, TrainingError
from dreamsmk.providers.identity import is_local_path
from dreamsmk.settings import ModelSpec
from dreamsmk.tables import write_table
from dreamsmk.tasks.training.frame.adapters import lora_config
from dreamsmk.tasks.training.frame.base_model import BaseModel, base_model
from dreamsmk.tasks.training.frame.devices import device_name
from dreamsmk.tasks.training.frame.history import FILE_NAME
from dreamsmk.tasks.training.frame.model_folder import make_readable
from dreamsmk.tasks.training.frame.parameters import TrainingParameters
from dreamsmk.tasks.training.rows.examples import rows_in_words

if TYPE_CHECKING:
    import polars

PROVIDER = "sentence_transformers"
_MODULES = "modules.json"
_CHUNK_ROWS = 1000


def encoder_base(alias: str, spec: ModelSpec, params: TrainingParameters) -> BaseModel:
    """Returns the model that a rule trains, checked as far as it can be without a file of it.

    Raises:
        SettingsError: It is no embedding model, or it cannot be trained as is asked.
    """
    if spec.provider == PROVIDER:
        refused = {
            "quantization": params.quantization or spec.quantization,
            "adapter": spec.adapter,
            "liger": params.liger,
            "sharding": params.sharding == "fsdp",
        }
        for name in (name for name, value in refused.items() if value):
            raise SettingsError(
                f"an embedding model is trained without `{name}`",
                where=name,
                hint="leave it out; an adapter of the training is merged into the weights at its end",
            )
    return base_model(alias, spec, params, PROVIDER)


# Any: sentence-transformers publishes no types; so in the functions below.
def load_encoder(base: BaseModel, params: TrainingParameters, *, pooling: str | None) -> Any:
    """Returns the `SentenceTransformer` of a spec, with a new adapter where one is to be trained.

    Args:
        base: The model.
        params: They say what of it is trained, in which numbers, and how attention is computed.
        pooling: How the vector of a text is made of those of its tokens, for a plain encoder; None for a model that
            says so itself.

    Raises:
        TrainingError: It cannot be loaded, or is not what `pooling` says.
    """
    spec, is_folder = base.spec, is_local_path(base.spec.model)
    path = str(Path(spec.model).expanduser()) if is_folder else spec.model
    kept = "float32" if params.is_mixed or params.precision == "fp32" else params.precision
    arguments = {"dtype": {"bf16": "bfloat16", "fp16": "float16"}.get(kept, kept)}
    if params.attention is not None:
        arguments["attn_implementation"] = params.attention
    places = {"revision": spec.revision, "local_files_only": is_folder}
    with _loading(base):
        from sentence_transformers import SentenceTransformer

        _check_modules(base, path, pooling)
        modules = None if pooling is None else _plain_modules(path, pooling, arguments, places)
        model = SentenceTransformer(
            None if modules else path, modules=modules, device=device_name(), model_kwargs=arguments, **places
        )
    if model.transformers_model is None:
        raise TrainingError(f"{spec.model!r} has no transformer whose weights could be trained", where=base.where)
    if params.lora is not None:
        _add_adapter(model, params)
    return model


# Any: as above.
def settle_length(model: Any, base: BaseModel, max_length: int | None) -> int:
    """Has a model read `max_length` tokens of a text, or as many as its spec or else itself says, and returns it.

    Raises:
        TrainingError: The model cannot read so many.
    """
    config = model.transformers_model.config
    most = getattr(config.get_text_config(), "max_position_embeddings", None)
    wanted = max_length or base.spec.options.get("max_seq_length") or model.max_seq_length or most
    if wanted is None:
        raise TrainingError("the model does not say how many tokens it reads", where=base.where, hint="give max_length")
    if most is not None and wanted > most:
        if max_length is not None:
            raise TrainingError(f"the model reads {most} tokens at most", where="max_length", hint="lower max_length")
        wanted = most
    model.max_seq_length = int(wanted)
    return int(wanted)


# Any: as above.
def check_lengths(texts: Sequence[str], model: Any, limit: int, *, truncate: bool, where: str) -> None:
    """Refuses texts of which the model would not read the end, unless that is wanted.

    Raises:
        TrainingError: A text has more than `limit` tokens.
    """
    if truncate:
        return
    too_long: list[int] = []
    for begin in range(0, len(texts), _CHUNK_ROWS):
        part = list(texts[begin : begin + _CHUNK_ROWS])
        ids = model.tokenizer(part, truncation=False, verbose=False)["input_ids"]
        too_long += [begin + row for row, found in enumerate(ids) if len(found) > limit]
    if too_long:
        raise TrainingError(
            f"{len(too_long)} rows have more than {limit} tokens",
            where=f"{where}, {rows_in_words(too_long)}",
            hint="raise max_length, shorten these rows, or set `truncate: true` to have their ends not read",
        )


# Any: as above.
def merge_adapter(model: Any) -> None:
    """Puts the adapter of a model into its weights, where it has one."""
    transformer = _transformer(model)
    if hasattr(transformer.model, "merge_and_unload"):
        transformer.model = transformer.model.merge_and_unload()


# Any: as above.
def write_encoder(folder: Path, model: Any, history: polars.DataFrame) -> None:
    """Writes a trained model, its adapter merged, and the loss history; what lies there is removed."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    merge_adapter(model)
    model.save_pretrained(str(folder), create_model_card=False)
    write_table(history, folder / FILE_NAME)
    make_readable(folder)


# Any: as above.
def _add_adapter(model: Any, params: TrainingParameters) -> None:
    from peft import get_peft_model

    for parameter in model.parameters():
        parameter.requires_grad = False
    transformer = _transformer(model)
    transformer.model = get_peft_model(transformer.model, lora_config(params.lora, "FEATURE_EXTRACTION"))


# Any: as above.
def _transformer(model: Any) -> Any:
    from sentence_transformers.base.modules.transformer import Transformer

    return next(module for module in model.modules() if isinstance(module, Transformer))


# Any: as above; keyword arguments of every type.
def _plain_modules(path: str, pooling: str, arguments: dict[str, Any], places: dict[str, Any]) -> list[Any]:
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    transformer = Transformer.load(path, model_kwargs=arguments, **places)
    return [transformer, Pooling(transformer.get_embedding_dimension(), pooling_mode=pooling)]


def _check_modules(base: BaseModel, path: str, pooling: str | None) -> None:
    from transformers.utils import cached_file

    # sentence-transformers looks for a name without an owner among its own models
    place = path if "/" in path or Path(path).is_dir() else f"sentence-transformers/{path}"
    found = cached_file(place, _MODULES, revision=base.spec.revision, _raise_exceptions_for_missing_entries=False)
    if found and pooling is not None:
        raise SettingsError("the model says itself how its vectors are made", where="pooling", hint="leave it out")
    if not found and pooling is None:
        raise TrainingError(
            f"{base.spec.model!r} is no embedding model of sentence-transformers: it has no {_MODULES}",
            where=base.where,
            hint="say how the vector of a text is made of those of its tokens: pooling: mean",
        )


@contextmanager
def _loading(base: BaseModel) -> Iterator[None]:
    """Tells as an error of ours that the files of a model are missing or wrong."""
    from safetensors import SafetensorError

    try:
        yield
    except ImportError as exc:
        raise MissingExtra(exc.name or "sentence_transformers", "sentence-transformers") from exc
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as exc:
        raise TrainingError(
            f"the model {base.spec.model!r} cannot be loaded: {str(exc).strip().splitlines()[0]}",
            where=base.where,
            hint="`model:` is the folder of an embedding model or its id on the Hub",
        ) from exc
