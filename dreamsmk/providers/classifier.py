"""The provider `classifier`: texts to scored labels, with a sequence classifier from a folder or the Hub.

Contract: the scores are a function of the text, the options and the model's files; between batches of other shapes
they may differ in their last bits. All labels of the model have a score, and the reply's text is the best of them. A
text that is longer than the model reads is cut, and its reply says so: `finish_reason` is `length`.

With `candidate_labels` the model is one of natural language inference, and each label is scored by whether the text
entails "This example is {label}." (zero-shot classification: Yin et al., "Benchmarking Zero-shot Text Classification",
2019), with the formula of transformers' pipeline.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import ClassVar

from dreamsmk.errors import RequestRejected, SettingsError, nearest
from dreamsmk.providers.base import Capabilities, LocalProvider, check_options, check_packages
from dreamsmk.providers.classifier_model import LoadedClassifier, load_classifier
from dreamsmk.providers.classifier_scores import SCORES, Hypotheses, label_scores
from dreamsmk.providers.local.batching import BatchLimits
from dreamsmk.providers.local.encoding import (
    Reading,
    answered_by_length,
    check_one_device,
    check_one_text,
    free_memory,
)
from dreamsmk.providers.local.rejections import Rejections
from dreamsmk.providers.replies import utc_now
from dreamsmk.requests import Request, Response
from dreamsmk.settings import ModelSpec

ZERO_SHOT_OPTIONS = ("candidate_labels", "hypothesis_template", "multi_label")
OPTIONS = (*ZERO_SHOT_OPTIONS, "scores")


class ClassifierProvider(LocalProvider):
    """A sequence classifier.

    The options of the model spec are `scores` (`softmax`, `sigmoid` or `logits`; what the model's config asks for if
    absent) and, for zero-shot classification, `candidate_labels` (a list), `hypothesis_template` (with `{}` where the
    label goes) and `multi_label` (true where several labels may hold, each scored by itself).
    """

    capabilities: ClassVar[Capabilities] = Capabilities(
        sampling=frozenset(),
        fields=frozenset({"revision", "adapter", "dtype", "options"}),
        is_local=True,
        wanted=frozenset({"labels"}),
        roles=frozenset({"user"}),
    )

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self._limits = BatchLimits(spec.batch_size)
        self._loaded: LoadedClassifier | None = None

    @classmethod
    def check(cls, spec: ModelSpec) -> None:
        """Finds missing packages and wrong options; whether the model can be loaded is only known when it is."""
        super().check(spec)
        check_options(spec, OPTIONS)
        check_one_device(spec)
        scores = spec.options.get("scores")
        if scores is not None and scores not in SCORES:
            raise SettingsError(
                f"there are no scores {scores!r}", where="options: scores", hint=nearest(scores, SCORES)
            )
        if "candidate_labels" in spec.options:
            _check_zero_shot(spec)
        else:
            for name in ZERO_SHOT_OPTIONS[1:]:
                if name in spec.options:
                    raise SettingsError(f"the option {name!r} needs 'candidate_labels'", where=f"options: {name}")
        check_packages(["torch", "transformers"], "transformers")
        if spec.adapter is not None:
            check_packages(["peft"], "transformers")

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Response]]:
        """Answers all requests in batches of like length; loads the model first where that was not done."""
        rejections = Rejections()
        accepted = rejections.accepted(requests, lambda request: check_one_text(request, self.capabilities))
        if accepted:
            loaded = self._load()
            hypotheses = Hypotheses.of(self.spec, loaded.labels)
            texts = [requests[i].messages[0].content for i in accepted]
            readings = dict(zip(accepted, _readings(loaded, texts, hypotheses), strict=True))

            def answer(batch: Sequence[int]) -> list[Response | RequestRejected]:
                return self._answer(loaded, [requests[i] for i in batch], [readings[i] for i in batch], hypotheses)

            yield from answered_by_length(readings, answer, self._limits, rejections)
        rejections.raise_first()

    def close(self) -> None:
        """Frees the model's memory."""
        if self._loaded is not None:
            self._loaded = None
            free_memory()

    def _load(self) -> LoadedClassifier:
        if self._loaded is None:
            self._loaded = load_classifier(self.spec)
        return self._loaded

    def _answer(
        self,
        loaded: LoadedClassifier,
        requests: Sequence[Request],
        readings: Sequence[Reading],
        hypotheses: Hypotheses | None,
    ) -> list[Response | RequestRejected]:
        started = time.monotonic()
        texts = [request.messages[0].content for request in requests]
        if hypotheses is None:
            rows = label_scores(loaded.logits(texts), loaded.labels, self.spec.options.get("scores") or loaded.scores)
        else:
            # one label after the other, so that a batch stays as large as was asked for
            rows = hypotheses.scores([loaded.logits(texts, [text] * len(texts)) for text in hypotheses.texts])
        seconds = time.monotonic() - started

        def reply(request: Request, reading: Reading, labels: dict[str, float]) -> Response | RequestRejected:
            if not all(abs(score) < float("inf") for score in labels.values()):
                return RequestRejected("a score is not finite", hint="give the model `dtype: float32`")
            return Response(
                text=max(labels, key=lambda label: labels[label]),
                finish_reason=reading.finish_reason,
                model=request.model.model + (f"@{loaded.commit}" if loaded.commit else ""),
                usage=reading.usage,
                created_at=utc_now(),
                latency_seconds=seconds,
                system_fingerprint=loaded.fingerprint,
                labels=labels,
            )

        return [reply(*each) for each in zip(requests, readings, rows, strict=True)]


def _readings(loaded: LoadedClassifier, texts: Sequence[str], hypotheses: Hypotheses | None) -> list[Reading]:
    """Returns what is read of each text, summed up over the hypotheses that it is read with."""
    if hypotheses is None:
        return [Reading.of(count, loaded.context) for count in loaded.token_counts(texts)]
    pairs = [
        [Reading.of(count, loaded.context) for count in loaded.token_counts(texts, [hypothesis] * len(texts))]
        for hypothesis in hypotheses.texts
    ]
    return [
        Reading(sum(one.tokens for one in ones), any(one.is_cut for one in ones)) for ones in zip(*pairs, strict=True)
    ]


def _check_zero_shot(spec: ModelSpec) -> None:
    labels = spec.options["candidate_labels"]
    is_list = isinstance(labels, list | tuple) and labels and all(isinstance(label, str) and label for label in labels)
    if not is_list or len(set(labels)) < len(labels):
        raise SettingsError(
            "the option 'candidate_labels' must be a list of different labels", where="options: candidate_labels"
        )
    template = spec.options.get("hypothesis_template", "{}")
    if not isinstance(template, str) or "{}" not in template:
        raise SettingsError(
            "the option 'hypothesis_template' has no {} where the label goes", where="options: hypothesis_template"
        )
    if not isinstance(spec.options.get("multi_label", False), bool):
        raise SettingsError("the option 'multi_label' must be true or false", where="options: multi_label")
    if "scores" in spec.options:
        raise SettingsError("zero-shot classification takes no 'scores'", where="options: scores", hint="multi_label")
