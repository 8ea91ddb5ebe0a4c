"""A sequence classifier from a directory or the hub, asked for class probabilities of many texts."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rl4lms.core.errors import ConfigError
from rl4lms.core.pretrained import from_pretrained, model_from_pretrained

if TYPE_CHECKING:
    import torch


def default_device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


class TextClassifier:
    """Probabilities in float32, whatever the model's dtype; a text's numbers do not depend on its neighbours.

    Texts are cut at the left, so that the end (the generation) stays, to what both the tokenizer and the model's
    positions allow. Batches are padded at the right and masked, and made of texts of like length.
    """

    def __init__(self, model_name: str, device: str | None = None) -> None:
        """Raises ConfigError where `model_name` is neither a directory with a classifier nor a hub id in reach."""
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        self.model_name = model_name
        self.device = device or default_device()
        self._tokenizer: Any = from_pretrained(AutoTokenizer, model_name, "classifier")
        self._model: Any = model_from_pretrained(AutoModelForSequenceClassification, model_name, "classifier")
        self._model.to(self.device).eval()
        self._tokenizer.truncation_side = "left"
        self._tokenizer.padding_side = "right"
        self._pad_id = self._choose_pad_id()
        self.max_length = self._longest_input()
        self.n_labels = int(self._model.config.num_labels)

    def _choose_pad_id(self) -> int:
        """The model finds the end of a padded text by this id, so model and tokenizer must agree on it."""
        for pad_id in (self._tokenizer.pad_token_id, self._model.config.pad_token_id, self._tokenizer.eos_token_id):
            if pad_id is not None:
                self._model.config.pad_token_id = pad_id
                return int(pad_id)
        raise ConfigError(f'classifier "{self.model_name}": its tokenizer has neither a padding nor an end token.')

    def _longest_input(self) -> int:
        config = self._model.config
        positions = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None) or 512
        if config.model_type in ("roberta", "xlm-roberta", "camembert"):
            positions -= config.pad_token_id + 1  # their positions count from the padding id
        return int(min(self._tokenizer.model_max_length, positions))

    def check_label(self, label_ix: int) -> None:
        if not 0 <= label_ix < self.n_labels:
            raise ConfigError(
                f'label_ix {label_ix}: classifier "{self.model_name}" has labels 0 to {self.n_labels - 1}.'
            )

    def probabilities(self, texts: Sequence[str], batch_size: int = 32) -> torch.Tensor:
        """-> (N, labels) float32 on the CPU, rows in the order of `texts`."""
        import torch

        if batch_size < 1:
            raise ConfigError(f"batch_size must be at least 1, found {batch_size}.")
        encoded = self._tokenizer(list(texts), truncation=True, max_length=self.max_length).input_ids if texts else []
        rows = [ids or [self._pad_id] for ids in encoded]  # an empty text is one masked-in padding token
        order = sorted(range(len(rows)), key=lambda i: (len(rows[i]), i))
        result = torch.empty(len(rows), self.n_labels)
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            result[chosen] = self._forward([rows[i] for i in chosen])
        return result

    def _forward(self, rows: list[list[int]]) -> torch.Tensor:
        import torch

        longest = max(map(len, rows))
        input_ids = torch.tensor([ids + [self._pad_id] * (longest - len(ids)) for ids in rows], device=self.device)
        lengths = torch.tensor([len(ids) for ids in rows], device=self.device)
        attention_mask = (torch.arange(longest, device=self.device) < lengths[:, None]).long()  # (B, L)
        with torch.inference_mode():
            logits = self._model(input_ids=input_ids, attention_mask=attention_mask).logits
            return torch.softmax(logits.float(), dim=-1).cpu()


@functools.cache
def load_classifier(model_name: str, device: str | None = None) -> TextClassifier:
    """One copy of a classifier in a process: a reward and a metric with the same model share it."""
    return TextClassifier(model_name, device)
