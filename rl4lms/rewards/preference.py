"""A preference model's rating as a reward, with the terms that RL4LMs adds for CommonGen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from rl4lms.config.kinds import BatchSize, Device, WithPrompt, WordNet
from rl4lms.config.reader import NonNegative
from rl4lms.core.errors import DataError
from rl4lms.metrics.base import MetaInfo
from rl4lms.metrics.meteor import MeteorMetric
from rl4lms.metrics.preference import load_preference_model
from rl4lms.rewards.base import BatchedEpisodeReward


def n_missing(text: str, concepts: Sequence[str]) -> int:
    """The number of concepts that do not occur in the text, regardless of case; a part of a word counts."""
    lower = text.lower()
    return sum(concept.lower() not in lower for concept in concepts)


class CommonGenPrefRM(BatchedEpisodeReward):
    """P("good") / (1 + concept_penalty_coeff * missing concepts) + meteor_coeff * METEOR.

    model_type: directory or hub id of a seq2seq preference model, or "11b" for the published one with `weights`. It
    reads only the text, as published, or also the prompt (include_prompt). The concepts are those in the sample's meta
    data.
    """

    name = "common_gen_preference_model"

    def __init__(
        self,
        model_type: Annotated[str, "Directory or hub id of the model; 11b is the published one."],
        device: Device = None,
        batch_size: BatchSize = 32,
        concept_penalty_coeff: Annotated[NonNegative, "Penalty of each missing concept."] = 0.0,
        meteor_coeff: Annotated[float, "Weight of METEOR, which is added."] = 0.0,
        weights: Annotated[str | None, "File of the published model's weights."] = None,
        include_prompt: WithPrompt = False,
        wordnet: WordNet = "auto",
    ) -> None:
        super().__init__()
        self._model = load_preference_model(str(model_type), device, weights)
        self._batch_size, self._include_prompt = batch_size, include_prompt
        self._concept_penalty_coeff, self._meteor_coeff = concept_penalty_coeff, meteor_coeff
        self._meteor = MeteorMetric(wordnet) if meteor_coeff else None

    def score_batch(
        self,
        prompts: list[str],
        texts: list[str],
        references: list[Sequence[str]],
        meta_infos: list[MetaInfo],
    ) -> list[float]:
        shown = [p + t for p, t in zip(prompts, texts, strict=True)] if self._include_prompt else texts
        good = self._model.probabilities(shown, self._batch_size)[:, 1].tolist()
        missing = [self._n_missing(text, info) for text, info in zip(texts, meta_infos, strict=True)]
        rewards = [chance / (1 + self._concept_penalty_coeff * n) for chance, n in zip(good, missing, strict=True)]
        if self._meteor is None:
            return rewards
        meteors, _ = self._meteor.compute(prompts, texts, references)["lexical/meteor"]
        return [reward + self._meteor_coeff * meteor for reward, meteor in zip(rewards, meteors or (), strict=True)]

    def _n_missing(self, text: str, info: MetaInfo) -> int:
        if not self._concept_penalty_coeff:
            return 0
        if not info or "concepts" not in info:
            raise DataError(
                f'reward {self.name}: a sample has no "concepts" in its meta data, which concept_penalty_coeff needs.'
            )
        return n_missing(text, info["concepts"])
