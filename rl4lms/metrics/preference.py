"""A seq2seq model that rates a text by the probability that its first decoded token is "good" rather than "bad".

RL4LMs' preference model for CommonGen, a T5-11B, works like this.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, ClassVar

from rl4lms.core.errors import ConfigError
from rl4lms.core.pretrained import from_pretrained, model_from_pretrained, read_tensors, reason
from rl4lms.metrics.classifier import Row, TextClassifier

if TYPE_CHECKING:
    import torch

VERDICTS = ("bad", "good")
PUBLISHED_TYPE = "11b"
PUBLISHED_MODEL = "t5-11b"
PUBLISHED_WEIGHTS = "https://storage.googleapis.com/ai2-jack-public/rl4lms_preference_models/t5-11b~commongen_prefs.pt"


def verdict_ids(tokenizer: Any, model_name: str) -> list[int]:
    """The first tokens of "bad" and of "good". Raises ConfigError if they are the same."""
    ids = [int(tokenizer(word, add_special_tokens=False).input_ids[0]) for word in VERDICTS]
    if ids[0] == ids[1]:
        raise ConfigError(f'preference model "{model_name}": "good" and "bad" begin with the same token.')
    return ids


class PreferenceModel(TextClassifier):
    """A model with two labels, "bad" and "good".

    weights: a safetensors file with the model's tensors, for the published model, which is not in the hub's format.
    """

    kind: ClassVar[str] = "preference model"
    truncation_side: ClassVar[str] = "right"

    def __init__(self, model_name: str, device: str | None = None, weights: str | None = None) -> None:
        if model_name == PUBLISHED_TYPE:
            if weights is None:
                raise ConfigError(
                    f'preference model "11b": weights is missing: the published file ({PUBLISHED_WEIGHTS}), '
                    "converted by the command in docs/rewards.md."
                )
            model_name = PUBLISHED_MODEL
        self._weights = weights
        super().__init__(model_name, device)
        self._verdict_ids = verdict_ids(self._tokenizer, self.model_name)

    def _load(self) -> tuple[Any, Any]:
        from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

        tokenizer = from_pretrained(AutoTokenizer, self.model_name, self.kind)
        model = model_from_pretrained(AutoModelForSeq2SeqLM, self.model_name, self.kind)
        if self._weights is not None:
            _load_weights(model, len(tokenizer), self._weights)
        return tokenizer, model

    def _count_labels(self) -> int:
        return len(VERDICTS)

    def _chances(self, logits: torch.Tensor) -> torch.Tensor:
        return logits.softmax(dim=-1)

    def _forward(self, rows: list[Row]) -> torch.Tensor:
        import torch

        start = torch.full((len(rows), 1), self._model.config.decoder_start_token_id, device=self.device)
        with torch.inference_mode():
            logits = self._model(**self._inputs(rows), decoder_input_ids=start).logits[:, 0]  # (B, V)
            verdicts: torch.Tensor = logits[:, self._verdict_ids].float().cpu()
        return verdicts


def _load_weights(model: Any, vocab_size: int, path: str) -> None:
    """Load a safetensors file into `model`. vocab_size: the number of rows that its embeddings were trained with."""
    state = read_tensors(path, "preference model: weights")
    try:
        model.resize_token_embeddings(vocab_size)
        model.load_state_dict(state)
    except RuntimeError as error:
        raise ConfigError(f"preference model: weights: {path}: they do not fit the model ({reason(error)}).") from None


load_preference_model = functools.cache(PreferenceModel)  # metrics and rewards with the same model share it
