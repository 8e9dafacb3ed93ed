"""Direct preference optimization (Rafailov et al. 2023, https://arxiv.org/abs/2305.18290) and its relatives, with TRL.

Contract: a row trains on the tokens that `preferences` makes of it, against the reference that `reference` says. All
that can be wrong with the rows, the losses or the model is found before the first step; a killed training ends with the
weights of an unbroken one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import SettingsError
from dreamsmk.tasks.training.frame.base_model import base_model
from dreamsmk.tasks.training.frame.course import Course, starting
from dreamsmk.tasks.training.frame.launch import on_all_devices
from dreamsmk.tasks.training.frame.quiet import quiet_libraries
from dreamsmk.tasks.training.reference import in_words, policy, second_model, with_reference
from dreamsmk.tasks.training.rows.examples import Encoder, dataset_of
from dreamsmk.tasks.training.rows.preferences import PairParameters, encode_pair_table, most_tokens
from dreamsmk.tasks.training.rows.prompts import with_instruction
from dreamsmk.tasks.training.stand_in import PAIR, asked_later, put_rows, stand_ins, without_bars

if TYPE_CHECKING:
    import datasets

    from dreamsmk.tasks.context import Context

METRICS = (
    "rewards/chosen",
    "rewards/rejected",
    "rewards/margins",
    "rewards/accuracies",
    "logps/chosen",
    "logps/rejected",
)
_REFERENCE_COLUMNS = ("ref_chosen_logps", "ref_rejected_logps")
# What TRL 1.16 computes with each; it takes them for others too, and then they do nothing.
_SMOOTHED = frozenset({"robust", "exo_pair", "aot", "aot_unpaired"})
_OF_THE_DIFFERENCE = frozenset({"sigmoid", "sigmoid_norm", "hinge", "ipo", "exo_pair", "robust", "discopop", "sft"})


@dataclass(frozen=True, slots=True, kw_only=True)
class DpoParameters(PairParameters):
    """The parameters; `rules/dpo/meta.yaml` says what each means."""

    loss_type: str | tuple[str, ...]
    loss_weights: tuple[float, ...] | None
    label_smoothing: float
    f_divergence_type: str
    f_alpha_divergence_coef: float
    discopop_tau: float
    ld_alpha: float | None
    use_weighting: bool
    precompute_ref_log_probs: bool


# Any: JSON values of every type.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of each output role: a folder has none.

    Raises:
        SettingsError: The losses do not go together, or not with what they are given.
    """
    losses_of(params)
    return {"model": None}


# Any: JSON values of every type.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns the number of rows of each output role: a folder has none."""
    return {"model": None}


# Any: JSON values of every type.
def losses_of(params: Mapping[str, Any]) -> list[str]:
    """Returns the losses that are added up.

    Raises:
        SettingsError: They do not go together, or not with what they are given.
    """
    losses = [params["loss_type"]] if isinstance(params["loss_type"], str) else list(params["loss_type"])
    weights, smoothing, named = params["loss_weights"], params["label_smoothing"], " and ".join(losses)
    if weights is not None and len(weights) != len(losses):
        raise SettingsError(f"{len(weights)} weights for {len(losses)} losses", where="loss_weights")
    if smoothing and not _SMOOTHED.intersection(losses):
        raise SettingsError(
            f"label smoothing does nothing in the loss {named}",
            where="label_smoothing",
            hint=f"leave it out, or choose one of: {', '.join(sorted(_SMOOTHED))}",
        )
    if "exo_pair" in losses and not smoothing:
        raise SettingsError(
            "the loss exo_pair needs label smoothing", where="label_smoothing", hint="the paper recommends 0.001"
        )
    if params["f_divergence_type"] != "reverse_kl" and not _OF_THE_DIFFERENCE.issuperset(losses):
        raise SettingsError(
            f"the loss {named} has no other divergence than reverse_kl",
            where="f_divergence_type",
            hint=f"leave it out, or choose of: {', '.join(sorted(_OF_THE_DIFFERENCE))}",
        )
    if params["use_weighting"] and {"aot", "aot_unpaired"}.intersection(losses):
        raise SettingsError(f"the loss {named} cannot weight its pairs", where="use_weighting", hint="leave it out")
    return losses


@on_all_devices("model")
def dpo(context: Context) -> None:
    """Trains a model to prefer the chosen completions to the rejected ones.

    Raises:
        SettingsError: If the model or the parameters cannot be trained with.
        TableError: If a table is empty, a column is missing, or a row has no completions or twice the same.
        TrainingError: If the data do not fit the model, or the training broke off.
    """
    losses_of(context.params)
    params = with_instruction(DpoParameters.from_json(context.params), context)
    base = base_model(params.model, context.model(params.model).spec, params)
    with quiet_libraries():
        config, tokenizer = base.load_config("causal"), base.load_tokenizer()
        encoder, limit = Encoder.of(base, tokenizer, params.system_prompt), most_tokens(config, params)
        train = dataset_of(encode_pair_table(context.input("train"), encoder, params, limit))
        paths = context.inputs.get("validation") or []
        validation = dataset_of(encode_pair_table(paths[0], encoder, params, limit)) if paths else None

        course = Course(context, params, base, "dpo", len(train), len(validation or ()), metrics=METRICS)
        with starting(), without_bars():
            trainer = dpo_trainer(course, tokenizer, train, validation)
        course.run(trainer)
        course.leave(trainer, tokenizer, reference=in_words(base, params))


# Any: the classes of transformers and TRL, which publish no types.
def dpo_trainer(course: Course, tokenizer: Any, train: datasets.Dataset, validation: datasets.Dataset | None) -> Any:
    """Returns TRL's trainer over encoded rows."""
    from trl import DPOConfig, DPOTrainer

    params, base = course.params, course.base
    assert isinstance(params, DpoParameters)
    trainer = asked_later(DPOTrainer)(
        policy(base, params),
        ref_model=second_model(base, params, is_precomputed=params.precompute_ref_log_probs),
        args=DPOConfig(
            **course.arguments(),
            beta=params.beta,
            loss_type=[params.loss_type] if isinstance(params.loss_type, str) else list(params.loss_type),
            loss_weights=list(params.loss_weights) if params.loss_weights else None,
            label_smoothing=params.label_smoothing,
            f_divergence_type=params.f_divergence_type,
            f_alpha_divergence_coef=params.f_alpha_divergence_coef,
            discopop_tau=params.discopop_tau,
            ld_alpha=params.ld_alpha,
            use_weighting=params.use_weighting,
            precompute_ref_log_probs=params.precompute_ref_log_probs,
            # rows are cut by encode_pair_table, and TRL's way to switch dropout off takes in the adapter's
            max_length=None,
            disable_dropout=False,
            prediction_loss_only=True,
        ),
        **stand_ins(PAIR, validates=validation is not None),
        processing_class=tokenizer,
        peft_config=base.new_adapter(params),
    )
    if params.precompute_ref_log_probs:
        train = with_reference(trainer, train, _REFERENCE_COLUMNS)
        validation = with_reference(trainer, validation, _REFERENCE_COLUMNS) if validation is not None else None
        trainer.ref_model = None
    put_rows(trainer, train, validation)
    return trainer
