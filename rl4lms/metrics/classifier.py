"""A sequence classifier from a directory or the hub: logits and probabilities of many texts or pairs of texts."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from rl4lms.core.errors import ConfigError
from rl4lms.core.pretrained import from_pretrained, longest_text, model_from_pretrained, positions
from rl4lms.core.vocabulary import check_ids, check_vocabulary, embedding_rows

if TYPE_CHECKING:
    import torch


def default_device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


UNSAID = 512  # tokens that are read of a text if the model has no limit
Row = tuple[list[int], list[int]]  # token ids, and for each of them the number of its text in a pair (0 or 1)


def model_label(model_name: str) -> str:
    """A model's name to show beside its numbers: its hub id, or the last two parts of its path."""
    return "/".join(Path(model_name).parts[-2:]) if Path(model_name).is_dir() else model_name


def longest_input(config: Any, tokenizer: Any) -> int:
    """The most tokens of a text, special ones included, that tokenizer and model allow; 512 if there is no limit."""
    longest = longest_text(config, tokenizer) or UNSAID
    return longest if positions(config) else min(longest, UNSAID)


class TextClassifier:
    """A classifier whose float32 results for a text do not depend on the other texts of the batch.

    Texts are cut to the length that tokenizer and model allow, on `truncation_side`: the default keeps the end, which
    is the generation. Batches are made of texts of similar length, padded at the right and masked.
    """

    kind: ClassVar[str] = "classifier"
    truncation_side: ClassVar[str] = "left"

    def __init__(self, model_name: str, device: str | None = None) -> None:
        """model_name: a directory or hub id. Raises ConfigError if there is no such classifier."""
        self.model_name = model_name
        self.device = device or default_device()
        self._tokenizer, self._model = self._load()
        self._model.to(self.device).eval()
        self._tokenizer.truncation_side = self.truncation_side
        self._tokenizer.padding_side = "right"
        self._pad_id = self._choose_pad_id()
        self.max_length = longest_input(self._model.config, self._tokenizer)
        self._n_rows = embedding_rows(self._model)
        check_vocabulary(self._tokenizer, self._n_rows, self.model_name)
        self.n_labels = self._count_labels()

    def _load(self) -> tuple[Any, Any]:
        """The tokenizer and the model."""
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        tokenizer = from_pretrained(AutoTokenizer, self.model_name, self.kind)
        return tokenizer, model_from_pretrained(AutoModelForSequenceClassification, self.model_name, self.kind)

    def _count_labels(self) -> int:
        return int(self._model.config.num_labels)

    def _choose_pad_id(self) -> int:
        """The padding id, set in the model's configuration, too: the model finds the end of a padded text by it."""
        for pad_id in (self._tokenizer.pad_token_id, self._model.config.pad_token_id, self._tokenizer.eos_token_id):
            if pad_id is not None:
                self._model.config.pad_token_id = pad_id
                return int(pad_id)
        raise ConfigError(f'classifier "{self.model_name}": its tokenizer has neither a padding nor an end token.')

    def check_label(self, label_ix: int) -> None:
        if not 0 <= label_ix < self.n_labels:
            raise ConfigError(
                f'label_ix {label_ix}: classifier "{self.model_name}" has labels 0 to {self.n_labels - 1}.'
            )

    def probabilities(
        self, texts: Sequence[str], batch_size: int = 32, second_texts: Sequence[str] | None = None
    ) -> torch.Tensor:
        """(N, labels) float32 on the CPU, as the text-classification pipeline of transformers computes them.

        These are the raw scores if the model's problem_type is "regression", the sigmoid of each label if there is only
        one or a text may have several, else a softmax.
        """
        return self._chances(self.logits(texts, batch_size, second_texts))

    def _chances(self, logits: torch.Tensor) -> torch.Tensor:
        kind = self._model.config.problem_type
        if kind == "regression":
            return logits
        if kind == "multi_label_classification" or self.n_labels == 1:
            return logits.sigmoid()
        return logits.softmax(dim=-1)

    def logits(
        self, texts: Sequence[str], batch_size: int = 32, second_texts: Sequence[str] | None = None
    ) -> torch.Tensor:
        """(N, labels) float32 on the CPU.

        second_texts: the second texts of pairs, for models with truncation_side "right". Of a pair that is too long,
        the longer text is cut.
        """
        import torch

        if batch_size < 1:
            raise ConfigError(f"batch_size must be at least 1, found {batch_size}.")
        rows = self._encode(texts, second_texts)
        order = sorted(range(len(rows)), key=lambda i: (len(rows[i][0]), i))
        result = torch.empty(len(rows), self.n_labels)
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            result[chosen] = self._forward([rows[i] for i in chosen])
        return result

    def _encode(self, texts: Sequence[str], second_texts: Sequence[str] | None) -> list[Row]:
        if not texts:
            return []
        pair = (list(texts), None) if second_texts is None else (self._shortened(texts), self._shortened(second_texts))
        encoded = self._tokenizer(*pair, truncation=True, max_length=self.max_length, return_token_type_ids=True)
        check_ids(encoded.input_ids, self._n_rows, self._tokenizer, self.model_name)
        rows = zip(encoded.input_ids, encoded.token_type_ids, strict=True)
        return [(list(ids), list(types)) if ids else ([self._pad_id], [0]) for ids, types in rows]

    def _shortened(self, texts: Sequence[str]) -> list[str]:
        """The texts without their far end, because tokenizers takes minutes to cut a pair of 10,000-word texts."""
        limit = 2 * self.max_length  # tokens; twice the length, so that the word that is cut in two is not read
        shortened = list(texts)
        long = [i for i, text in enumerate(shortened) if len(text) > limit]
        if long and self._tokenizer.is_fast:
            whole = self._tokenizer([shortened[i] for i in long], return_offsets_mapping=True, verbose=False)
            for i, offsets in zip(long, whole.offset_mapping, strict=True):
                if len(offsets) > limit:
                    end = max(end for _, end in offsets[:limit])
                    shortened[i] = shortened[i][:end]
        return shortened

    def _inputs(self, rows: list[Row]) -> dict[str, torch.Tensor]:
        """input_ids, attention_mask and, for models that read them, token_type_ids: (B, L) each."""
        import torch

        config = self._model.config
        longest = max(len(ids) for ids, _ in rows)
        reads_last = getattr(config, "summary_type", None) == "last"  # XLNet classifies the state of the last column

        def padded(row: list[int], padding: int) -> list[int]:
            filled = [padding] * (longest - len(row))
            return filled + row if reads_last else row + filled

        columns = {"input_ids": [padded(ids, self._pad_id) for ids, _ in rows]}
        columns["attention_mask"] = [padded([1] * len(ids), 0) for ids, _ in rows]
        if (getattr(config, "type_vocab_size", None) or 0) > 1 or config.model_type == "xlnet":
            columns["token_type_ids"] = [padded(types, 0) for _, types in rows]
        return {name: torch.tensor(values, device=self.device) for name, values in columns.items()}

    def _forward(self, rows: list[Row]) -> torch.Tensor:
        import torch

        with torch.inference_mode():
            logits: torch.Tensor = self._model(**self._inputs(rows)).logits
            return logits.float().cpu()


load_classifier = functools.cache(TextClassifier)  # metrics and rewards with the same model share it
