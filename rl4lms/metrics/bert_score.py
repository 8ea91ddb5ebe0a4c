"""BERTScore (Zhang et al., 2020, arXiv:1904.09675): greedy matching of contextual token embeddings by cosine.

The encoders, their tuned layers and the defaults per language come from the package bert-score (extra `bert`), and the
scores are equal to its scores. Its `score` function is not used, for three reasons: with transformers 5 it fails on an
empty text, it loses the space that RoBERTa needs before the first word, and it batches in the order of a set of
strings, so that the last digits differ between processes.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from rl4lms.config.kinds import BatchSize, Device, EncoderName, Language, Layer
from rl4lms.core.errors import ConfigError
from rl4lms.core.pretrained import from_pretrained, model_from_pretrained
from rl4lms.metrics.base import MetricResult, ReferenceMetric, mean
from rl4lms.metrics.classifier import default_device, longest_input, model_label

if TYPE_CHECKING:
    from torch import Tensor

CHUNK = 512  # pairs whose token embeddings are in memory at the same time
SPACE_BEFORE_FIRST_WORD = ("roberta", "gpt2")  # model types whose published scores have a space before the first word
Pair = tuple[str, str]
Item = TypeVar("Item")


class Tokens(NamedTuple):
    """The L tokens of one text: embeddings (L, D), and weights (L,) that are 0 for the special tokens, else 1."""

    states: Tensor
    weights: Tensor


def _package() -> Any:
    try:
        import bert_score.utils as package
    except ImportError:
        raise ConfigError(
            'metric bert_score: the package bert-score is not installed: pip install "rl4lms-grue[bert]".'
        ) from None
    return package


class Encoder:
    """Scores pairs of texts by the token embeddings of one layer of an encoder."""

    def __init__(self, model_name: str, num_layers: int | None = None, device: str | None = None) -> None:
        """num_layers: the layer to read; None means the one that bert-score has tuned for this hub id.

        Raises ConfigError if the model cannot be loaded, lacks the layer, or no layer is given or tuned.
        """
        self._package = _package()
        layer = self._package.model2layers.get(model_name) if num_layers is None else num_layers
        if layer is None:
            raise ConfigError(
                f'metric bert_score: num_layers is missing: bert-score has tuned no layer for "{model_name}"; give '
                "the layer to read, e.g. one near two thirds of its layers."
            )
        self.model_name, self.num_layers = model_name, int(layer)
        self.device = device or default_device()
        self._tokenizer, self._model = self._load()
        self._max_length = longest_input(self._model.config, self._tokenizer)
        self._frame = {self._tokenizer.cls_token_id, self._tokenizer.sep_token_id}

    def _load(self) -> tuple[Any, Any]:
        """The tokenizer, and the encoder without the layers above the one that is read.

        A pooler may be missing: it is not used, and many encoders are published without one.
        """
        from transformers import AutoConfig, AutoModel, AutoTokenizer, T5EncoderModel

        config = from_pretrained(AutoConfig, self.model_name, "encoder")
        arguments = {"add_prefix_space": True} if config.model_type in SPACE_BEFORE_FIRST_WORD else {}
        tokenizer = from_pretrained(AutoTokenizer, self.model_name, "encoder", **arguments)
        if not 0 <= self.num_layers <= config.num_hidden_layers:
            raise ConfigError(
                f"metric bert_score: encoder {self.model_name}: num_layers should be between 0 and "
                f"{config.num_hidden_layers}, found {self.num_layers}."
            )
        config.num_hidden_layers = self.num_layers
        auto = T5EncoderModel if config.model_type == "t5" else AutoModel
        model = model_from_pretrained(auto, self.model_name, "encoder", unread=r"pooler\.", config=config).eval()
        only_encoder = model.encoder if hasattr(model, "decoder") and hasattr(model, "encoder") else model
        return tokenizer, only_encoder.to(self.device)

    def scores(self, pairs: Sequence[Pair], batch_size: int) -> dict[Pair, float]:
        """F of each (text, reference); 0 if either has no word, as in bert-score.

        The distinct pairs are sorted first. So the order of the arguments changes no number, and other pairs change a
        number only by rounding.
        """
        found: dict[Pair, float] = {}
        for chunk in _batches(sorted(set(pairs), key=lambda pair: (len(pair[0]), pair)), CHUNK):
            tokens = self._embed(sorted({text for pair in chunk for text in pair}), batch_size)
            wordless = [pair for pair in chunk if not all(tokens[text].weights.any() for text in pair)]
            found |= dict.fromkeys(wordless, 0.0)
            for batch in _batches([pair for pair in chunk if pair not in found], batch_size):
                found |= zip(batch, self._match(batch, tokens), strict=True)
        return found

    def _embed(self, texts: Sequence[str], batch_size: int) -> dict[str, Tokens]:
        import torch

        rows = self._tokenizer([text.strip() for text in texts], truncation=True, max_length=self._max_length).input_ids
        by_length = sorted(range(len(texts)), key=lambda i: (len(rows[i]), i))
        pad_id = self._tokenizer.pad_token_id or 0  # any id will do, because padding is masked
        tokens = {}
        for places in _batches(by_length, batch_size):
            longest = max(len(rows[places[-1]]), 1)
            ids = torch.tensor([rows[i] + [pad_id] * (longest - len(rows[i])) for i in places])
            mask = torch.arange(longest) < torch.tensor([[len(rows[i])] for i in places])  # (B, L)
            with torch.inference_mode():
                encoded = self._package.bert_encode(self._model, ids.to(self.device), mask.long().to(self.device))
            for i, states in zip(places, encoded.float().cpu(), strict=True):
                weights = torch.tensor([float(token not in self._frame) for token in rows[i]])
                tokens[texts[i]] = Tokens(states[: len(rows[i])], weights)
        return tokens

    def _match(self, pairs: Sequence[Pair], tokens: dict[str, Tokens]) -> list[float]:
        import torch

        texts, references = ([tokens[text] for text in side] for side in zip(*pairs, strict=True))
        with torch.inference_mode():
            scores: list[float] = greedy_f(*_pad(texts, self.device), *_pad(references, self.device)).tolist()
        return scores


def greedy_f(
    states: Tensor, mask: Tensor, weights: Tensor, other_states: Tensor, other_mask: Tensor, other_weights: Tensor
) -> Tensor:
    """Eq. 1 to 4: F, (B,), of texts with states (B, T, D) and references with other_states (B, R, D).

    Each token is matched with the most similar token of the other text. F is 0 if precision and recall differ in sign
    or are both 0. Padding never matches; in bert-score it has similarity 0, which wins if all others are negative, so
    that a pair's score depends on its batch.
    """
    from torch import where
    from torch.nn.functional import normalize

    similarity = normalize(states, dim=-1) @ normalize(other_states, dim=-1).transpose(1, 2)  # (B, T, R)
    best = where(other_mask[:, None, :], similarity, -math.inf).amax(dim=2)  # (B, T)
    other_best = where(mask[:, :, None], similarity, -math.inf).amax(dim=1)  # (B, R)
    precision = (best * weights).sum(dim=1) / weights.sum(dim=1)
    recall = (other_best * other_weights).sum(dim=1) / other_weights.sum(dim=1)
    agree = precision * recall > 0
    return where(agree, 2 * precision * recall / where(agree, precision + recall, 1.0), 0.0).clamp(-1.0, 1.0)


def _batches(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _pad(rows: Sequence[Tokens], device: str) -> tuple[Tensor, Tensor, Tensor]:
    """-> embeddings (B, L, D), mask (B, L) bool and weights (B, L), 0 at padding."""
    import torch
    from torch.nn.utils.rnn import pad_sequence

    lengths = torch.tensor([[len(row.weights)] for row in rows])
    states = pad_sequence([row.states for row in rows], batch_first=True)
    weights = pad_sequence([row.weights for row in rows], batch_first=True)
    mask = torch.arange(states.shape[1]) < lengths
    return states.to(device), mask.to(device), weights.to(device)


load_encoder = functools.cache(Encoder)  # metrics and rewards with the same model share it


class BertScoreMetric(ReferenceMetric):
    """`semantic/bert_score` in [-1, 1]: a text's best F over its references, and the mean over the texts.

    language: selects bert-score's encoder for it ("en": roberta-large, layer 17; "de": bert-base-multilingual-cased,
    layer 9). model_name: another encoder, by hub id or directory. num_layers: the layer to read, required if bert-score
    has tuned none for the encoder. There are no IDF weights and no rescaling, as published. Texts are cut to the
    encoder's length.
    """

    name = "bert_score"
    key = "semantic/bert_score"

    def __init__(
        self,
        language: Language = "en",
        model_name: EncoderName = None,
        num_layers: Layer = None,
        batch_size: BatchSize = 64,
        device: Device = None,
    ) -> None:
        if batch_size < 1:
            raise ConfigError(f"metric bert_score: batch_size must be at least 1, found {batch_size}.")
        self._encoder = load_encoder(model_name or _package().lang2model[language.lower()], num_layers, device)
        self._batch_size = batch_size

    def labels(self) -> dict[str, str]:
        return {self.key: f"encoder {model_label(self._encoder.model_name)}, layer {self._encoder.num_layers}"}

    def score(self, texts: list[str], references: list[list[str]]) -> MetricResult:
        pairs = [[(text, reference) for reference in refs] for text, refs in zip(texts, references, strict=True)]
        found = self._encoder.scores([pair for group in pairs for pair in group], self._batch_size)
        scores = [max(found[pair] for pair in group) for group in pairs]
        return {self.key: (scores, mean(scores))}
