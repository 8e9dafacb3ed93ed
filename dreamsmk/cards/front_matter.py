"""The YAML block at the head of a card, with the keys that the Hugging Face Hub reads.

Contract: a key stands here only where its value is known. A licence appears only where the author states one: those of
the sources are told in the card, and do not become the target's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dreamsmk.cards.description import NOT_STATED, unique
from dreamsmk.cards.evaluation import model_index
from dreamsmk.cards.model_entry import is_hub_id

# Licence ids of the Hub (huggingface.co/docs/hub/repositories-licenses); any other is `other` with a `license_name`.
_LICENSE_IDS = """
    apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0 bigcode-openrail-m
    afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0 cc-by-2.0 cc-by-2.5
    cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0
    cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0 cdla-permissive-1.0
    cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 agpl-3.0 gfdl gpl gpl-2.0 gpl-3.0
    lgpl lgpl-2.1 lgpl-3.0 isc h-research intel-research lppl-1.3c ms-pl apple-ascl apple-amlr mpl-2.0 odc-by odbl
    openmdw-1.0 openmdw-1.1 openrail++ osl-3.0 postgresql ofl-1.1 ncsa unlicense zlib pddl lgpl-lr
    deepfloyd-if-license fair-noncommercial-research-license llama2 llama3 llama3.1 llama3.2 llama3.3 llama4
    grok2-community gemma unknown other
"""
LICENSE_IDS = frozenset(_LICENSE_IDS.split())

_SIZES = (
    (10**3, "n<1K"),
    (10**4, "1K<n<10K"),
    (10**5, "10K<n<100K"),
    (10**6, "100K<n<1M"),
    (10**7, "1M<n<10M"),
    (10**8, "10M<n<100M"),
    (10**9, "100M<n<1B"),
    (10**10, "1B<n<10B"),
    (10**11, "10B<n<100B"),
    (10**12, "100B<n<1T"),
)

# What the Hub filters by, by the trainer.
_TAGS = {
    "fine_tune": ("sft",),
    "distill": ("distillation",),
    "dpo": ("dpo",),
    "kto": ("kto",),
    "orpo": ("orpo",),
    "reward_model": ("reward-model",),
    "embedding_model": ("sentence-transformers", "feature-extraction"),
    "setfit": ("setfit", "sentence-transformers"),
}
# Those that TRL trains; fine_tune of a sequence-to-sequence model is none of them.
_OF_TRL = frozenset({"distill", "dpo", "kto", "orpo", "reward_model", "rlhf"})
_LIBRARIES = frozenset({"peft", "transformers", "sentence-transformers", "setfit"})


# Any: JSON.
def front_matter(card: Mapping[str, Any]) -> str:
    """Returns the block of a card, its `---` lines included."""
    import yaml

    keys = _model_keys(card) if card["kind"] == "model" else _data_keys(card)
    own = {"workflow_fingerprint": card["workflow_fingerprint"], "card_version": card["card_version"]}
    value = {**_license(card["stated"]), **_shared_keys(card), **keys, "dreamsmk": own}
    return f"---\n{yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=4096)}---"


def size_category(rows: int) -> str:
    """Returns the size category of the Hub for a number of rows."""
    return next((name for limit, name in _SIZES if rows < limit), "n>1T")


# Any: JSON.
def _shared_keys(card: Mapping[str, Any]) -> dict[str, Any]:
    stated = card["stated"]
    tags = ["dreamsmk", *(["synthetic"] if card["is_synthetic"] else []), *_model_tags(card), *stated["tags"]]
    found: dict[str, Any] = {}
    if stated["language"] != NOT_STATED:
        found["language"] = stated["language"]
    if card["kind"] == "data":
        found["pretty_name"] = card["title"]
    return {**found, "tags": unique(tags)}


# Any: JSON.
def _data_keys(card: Mapping[str, Any]) -> dict[str, Any]:
    rows = [target["rows"] for target in card["targets"] if target["rows"] is not None]
    found: dict[str, Any] = {"size_categories": [size_category(sum(rows))]} if rows else {}
    if card["is_synthetic"]:
        found["language_creators"] = ["machine-generated"]
    used = _datasets(card)
    return {**found, **({"source_datasets": used} if used else {})}


# Any: JSON.
def _model_keys(card: Mapping[str, Any]) -> dict[str, Any]:
    model, found = card["model"] or {}, {}
    if model.get("library") in _LIBRARIES:
        found["library_name"] = model["library"]
    if model.get("task"):
        found["pipeline_tag"] = model["task"]
    if bases := model.get("base_on_hub"):
        found["base_model"] = bases[0] if len(bases) == 1 else bases
        found["base_model_relation"] = model["relation"]
    if used := _datasets(card):
        found["datasets"] = used
    if index := model_index(card):
        results = [result for entry in index for result in entry["results"]]
        found["metrics"] = unique(metric["type"] for result in results for metric in result["metrics"])
        found["model-index"] = index
    return found


# Any: JSON.
def _model_tags(card: Mapping[str, Any]) -> list[str]:
    """Returns the tags of a model: how it was trained, and in which form it is."""
    model = card["model"]
    if model is None:
        return []
    trainings = [training for number in model["lineage"] if (training := card["steps"][number - 1]["training"])]
    tags: list[str] = []
    for training in trainings:
        trainer = str(training.get("trainer"))
        is_of_trl = trainer in _OF_TRL or (trainer == "fine_tune" and model["kind"] == "causal")
        algorithm = [str(training["algorithm"])] if trainer == "rlhf" and training.get("algorithm") else []
        tags += [*(["trl"] if is_of_trl else []), *_TAGS.get(trainer, ()), *algorithm]
    tags += [model["adapter"].lower()] if model["adapter"] else []
    tags += ["text2text-generation"] if model["kind"] == "seq2seq" else []
    tags += ["gguf"] if model["file"] else []
    return tags


# Any: JSON.
def _datasets(card: Mapping[str, Any]) -> list[str]:
    """Returns the ids on the Hub of the data sets among the sources."""
    return unique(s["name"] for s in card["sources"] if s["kind"] == "dataset" and is_hub_id(s["name"], s["path"]))


# Any: JSON.
def _license(stated: Mapping[str, Any]) -> dict[str, str]:
    name = stated["license"]
    if name == NOT_STATED:
        return {}
    if name.lower() in LICENSE_IDS:
        return {"license": name.lower()}
    found = {"license": "other", "license_name": re.sub(r"[^a-z0-9.+-]+", "-", name.lower()).strip("-")}
    link = stated["license_link"]
    return {**found, "license_link": link} if link != NOT_STATED else found
