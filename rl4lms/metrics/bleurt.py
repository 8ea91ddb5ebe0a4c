"""BLEURT (Sellam et al., 2020, arXiv:2004.04696): a BERT that was trained to rate a text, given its reference.

A checkpoint is a PyTorch conversion of a published one in either of two forms, or any classifier with one label that
takes (reference, text):
- model_type "bleurt" (hub: lucadiliello/BLEURT-20 and others): BERT with other tensor names, or RemBERT if
  `embedding_size` differs from `hidden_size`. The package that wrote these files does not run with transformers 5, and
  is not needed.
- BertForSequenceClassification (hub: Elron/bleurt-base-512 and others).
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from rl4lms.config.kinds import BatchSize, Device
from rl4lms.core.errors import ConfigError
from rl4lms.core.pretrained import from_pretrained, model_from_pretrained, reason
from rl4lms.metrics.base import MetricResult, ReferenceMetric, mean
from rl4lms.metrics.classifier import TextClassifier, model_label

# Published checkpoint -> length of its input in tokens (google-research/bleurt, checkpoints.md).
CHECKPOINTS: Mapping[str, int] = {
    **{f"bleurt-{size}-{length}": length for size in ("tiny", "base", "large") for length in (128, 512)},
    **dict.fromkeys(("BLEURT-20-D3", "BLEURT-20-D6", "BLEURT-20-D12", "BLEURT-20"), 512),
}
DEFAULT_CHECKPOINT = "bleurt-base-128"  # the default of the metric script that RL4LMs loads
CONVERSIONS = "lucadiliello"  # the hub account with the conversions
BLEURT = "bleurt"


class BleurtModel(TextClassifier):
    """Rates pairs: `logits(references, ..., texts)` is (N, 1)."""

    kind: ClassVar[str] = "BLEURT model"
    truncation_side: ClassVar[str] = "right"

    def __init__(self, model_name: str, device: str | None = None) -> None:
        super().__init__(model_name, device)
        if self.n_labels != 1:
            raise ConfigError(
                f'BLEURT model "{model_name}": a classifier with {self.n_labels} labels, expected one: the score.'
            )
        self.max_length = min(self.max_length, CHECKPOINTS.get(model_name.rpartition("/")[2], self.max_length))

    def _load(self) -> tuple[Any, Any]:
        from transformers import PretrainedConfig

        try:
            config, _ = PretrainedConfig.get_config_dict(self.model_name)
        except (OSError, ValueError) as error:
            raise ConfigError(f"{self.kind} {self.model_name}: cannot be loaded ({reason(error)}).") from None
        return self._load_renamed(config) if config.get("model_type") == BLEURT else super()._load()

    def _load_renamed(self, config: Mapping[str, Any]) -> tuple[Any, Any]:
        from transformers import BertForSequenceClassification, RemBertForSequenceClassification

        factorised = config.get("embedding_size") not in (None, config["hidden_size"])
        architecture: Any = RemBertForSequenceClassification if factorised else BertForSequenceClassification
        prefix, settings = architecture.base_model_prefix, _settings(config, factorised)
        names = {f"^{BLEURT}\\.encoder\\.embedding_projection\\.": f"{prefix}.encoder.embedding_hidden_mapping_in."}
        names[f"^{BLEURT}\\."] = f"{prefix}."
        model = model_from_pretrained(
            architecture, self.model_name, self.kind, config=architecture.config_class(**settings), key_mapping=names
        )
        return self._load_tokenizer(), model

    def _load_tokenizer(self) -> Any:
        """The tokenizer: SentencePiece as in DeBERTa for BLEURT-20, lower-cased word pieces for older checkpoints."""
        from transformers import BertTokenizer, DebertaV2Tokenizer

        if self._file("spm.model") is None:
            return from_pretrained(BertTokenizer, self.model_name, self.kind)
        if self._file("tokenizer.json") is None and importlib.util.find_spec("sentencepiece") is None:
            raise ConfigError(
                f'BLEURT model "{self.model_name}": reading its spm.model needs sentencepiece: pip install '
                '"rl4lms-grue[bleurt]".'
            )
        return from_pretrained(DebertaV2Tokenizer, self.model_name, self.kind)

    def _file(self, name: str) -> Any:
        from transformers.utils import cached_file

        return cached_file(self.model_name, name, _raise_exceptions_for_missing_entries=False)


def _settings(config: Mapping[str, Any], factorised: bool) -> dict[str, Any]:
    """The configuration, renamed to that of the architecture into which the weights are loaded."""
    unwanted = ("model_type", "architectures", "embedding_size", "transformers_version", "dtype", "torch_dtype")
    settings = {name: value for name, value in config.items() if name not in unwanted}
    if factorised:
        settings["input_embedding_size"] = config["embedding_size"]
    return settings | {"num_labels": 1, "bos_token_id": None, "eos_token_id": None}


load_bleurt = functools.cache(BleurtModel)  # metrics and rewards with the same model share it


def checkpoint_model(checkpoint: str | None) -> str:
    """The hub id of a published checkpoint (None: the published default); another name is returned unchanged."""
    name = checkpoint or DEFAULT_CHECKPOINT
    published = {known.lower(): known for known in CHECKPOINTS}.get(name.lower())
    return f"{CONVERSIONS}/{published}" if published else name


class BleurtMetric(ReferenceMetric):
    """`semantic/bleurt`, usually between 0 and 1: a text's best score over its references, and the mean over the texts.

    config_name: a published checkpoint ("bleurt-large-512", "BLEURT-20"), a hub id or a directory. RL4LMs passed the
    list of references to a scorer that takes one reference.
    """

    name = "bleurt"
    key = "semantic/bleurt"

    def __init__(
        self,
        config_name: Annotated[
            str | None, "Published checkpoint (BLEURT-20), hub id or directory; null takes bleurt's default."
        ] = None,
        batch_size: BatchSize = 32,
        device: Device = None,
    ) -> None:
        self._model = load_bleurt(checkpoint_model(config_name), device)
        self._batch_size = batch_size

    def labels(self) -> dict[str, str]:
        return {self.key: model_label(self._model.model_name)}

    def score(self, texts: list[str], references: list[list[str]]) -> MetricResult:
        groups = [[(reference, text) for reference in refs] for text, refs in zip(texts, references, strict=True)]
        pairs = sorted({pair for group in groups for pair in group})
        logits = self._model.logits([r for r, _ in pairs], self._batch_size, [t for _, t in pairs])
        found = dict(zip(pairs, logits[:, 0].tolist(), strict=True))
        scores = [max(found[pair] for pair in group) for group in groups]
        return {self.key: (scores, mean(scores))}
