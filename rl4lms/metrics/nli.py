"""Natural-language inference: the probabilities that a premise entails or contradicts a hypothesis."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from rl4lms.core.errors import ConfigError
from rl4lms.metrics.classifier import TextClassifier

if TYPE_CHECKING:
    import numpy as np

MAX_TOKENS = 500  # the longest pair, as published
BLOCK = 8192  # pairs that are tokenized in one call


class Published(NamedTuple):
    """A published model: its hub id, and the numbers of its labels for entailment and contradiction."""

    model_name: str
    entailment: int
    contradiction: int


# Short name -> model, from `model_map` of SummaC (github.com/tingofurro/summac).
PUBLISHED = {
    "snli-base": Published("boychaboy/SNLI_roberta-base", 0, 2),
    "snli-large": Published("boychaboy/SNLI_roberta-large", 0, 2),
    "mnli-base": Published("microsoft/deberta-base-mnli", 2, 0),
    "mnli": Published("roberta-large-mnli", 2, 0),
    "anli": Published("ynie/roberta-large-snli_mnli_fever_anli_R1_R2_R3-nli", 0, 2),
    "vitc-base": Published("tals/albert-base-vitaminc-mnli", 0, 1),
    "vitc": Published("tals/albert-xlarge-vitaminc-mnli", 0, 1),
    "vitc-only": Published("tals/albert-xlarge-vitaminc", 0, 1),
}
ENTAILMENT, CONTRADICTION = ("entailment", "entail", "supports"), ("contradiction", "contradict", "refutes")


class NliModel(TextClassifier):
    """A classifier of (premise, hypothesis) into three labels, by short name, hub id or directory."""

    kind: ClassVar[str] = "NLI model"
    truncation_side: ClassVar[str] = "right"

    def __init__(self, model_name: str, device: str | None = None) -> None:
        published = PUBLISHED.get(model_name)
        super().__init__(published.model_name if published else model_name, device)
        self.max_length = min(self.max_length, MAX_TOKENS)
        if self.n_labels != 3:
            raise ConfigError(f'NLI model "{self.model_name}": {self.n_labels} labels, expected 3.')
        entailment, contradiction = published[1:] if published else self._labels_by_name()
        (neutral,) = {0, 1, 2} - {entailment, contradiction}
        self.planes = [entailment, contradiction, neutral]

    def _labels_by_name(self) -> tuple[int, int]:
        labels = {str(label).lower(): int(place) for place, label in self._model.config.id2label.items()}
        found = [
            next((labels[name] for name in names if name in labels), None) for names in (ENTAILMENT, CONTRADICTION)
        ]
        if found[0] is None or found[1] is None:
            raise ConfigError(
                f'NLI model "{self.model_name}": its labels are {", ".join(sorted(labels))}; name one "entailment" and '
                'one "contradiction" in id2label of its config.json.'
            )
        return found[0], found[1]

    def images(
        self, documents: Sequence[Sequence[str]], texts: Sequence[Sequence[str]], batch_size: int
    ) -> list[np.ndarray]:
        """A float64 array (3, D, S) for each document of D chunks and its text of S chunks.

        It has the probabilities of entailment, contradiction and neutrality. If either has no chunk, it is (3, 1, 1)
        zeros, as published. Each distinct pair is computed once.
        """
        import numpy as np

        def pairs() -> Iterable[tuple[str, str]]:
            return ((p, h) for ps, hs in zip(documents, texts, strict=True) for p in ps for h in hs)

        found: dict[tuple[str, str], list[float]] = {}
        distinct = sorted(set(pairs()))
        for start in range(0, len(distinct), BLOCK):
            block = distinct[start : start + BLOCK]
            chances = self.probabilities([p for p, _ in block], batch_size, [h for _, h in block])
            found.update(zip(block, chances[:, self.planes].tolist(), strict=True))
        images = []
        for premises, hypotheses in zip(documents, texts, strict=True):
            rows = [[found[p, h] for h in hypotheses] for p in premises]
            images.append(np.array(rows).transpose(2, 0, 1) if premises and hypotheses else np.zeros((3, 1, 1)))
        return images


load_nli = functools.cache(NliModel)  # metrics with the same model share it
