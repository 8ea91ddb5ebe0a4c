"""Computes the rewards of episodes, once per episode, once per batch or at every step, as the reward function needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from rl4lms.core.errors import RunError
from rl4lms.core.guard import copied, name_of
from rl4lms.rewards.base import BatchedRewardFunction, finite_reward
from rl4lms.rewards.functions import WeightedRewards
from rl4lms.rewards.guard import STEP_ERROR, reward_call
from rl4lms.rewards.parallel import ParallelReward, is_copyable
from rl4lms.tokenization.observation import SampleLike
from rl4lms.tokenization.text_task import TextTask


@dataclass(frozen=True)
class Response:
    """An episode to be scored: its sample, its tokens (eos included), and whether it ended or was cut."""

    sample: SampleLike
    token_ids: list[int]
    ended: bool
    text: str


class Scorer(Protocol):
    """parts: name -> one score for each ended episode of the last call, if the reward is a weighted sum of others."""

    @property
    def parts(self) -> Mapping[str, list[float]]: ...

    def __call__(self, responses: Sequence[Response]) -> list[list[float]]:
        """One list of per-step scores for each response, as long as its tokens."""

    def close(self) -> None: ...


def response_of(
    task: TextTask, sample: SampleLike, token_ids: list[int], ended: bool, prompt_ids: Sequence[int] | None = None
) -> Response:
    """A `Response` with its text. prompt_ids: the prompt's tokens that the model saw; None encodes the prompt again."""
    seen = task.first_observation(sample).prompt_ids if prompt_ids is None else prompt_ids
    return Response(sample, token_ids, ended, task.continuation(seen).text(token_ids))


class BatchedScorer:
    """Scores episodes without stepping an environment, with the same result (docs/numerics.md, line 24).

    A `BatchedRewardFunction` is called once with all episodes that ended, a sparse `RewardFunction` once per episode
    that ended, and any other one at every step with the observations before and after it. A cut episode has no final
    score; its return bootstraps from the value of the next state.
    """

    def __init__(self, task: TextTask, n_workers: int = 0, timeout_s: float | None = None) -> None:
        """n_workers: processes for the reward function; 0 calls it in this one. timeout_s: the time limit of a call."""
        self.task = task
        self.reward_fn, self.timeout_s = task.reward_function, timeout_s
        self._parallel = ParallelReward(self.reward_fn, n_workers, shared=(task.tokenizer,), timeout_s=timeout_s)
        self.parts: Mapping[str, list[float]] = {}

    def close(self) -> None:
        self._parallel.close()

    def __call__(self, responses: Sequence[Response]) -> list[list[float]]:
        scores = [[0.0] * len(r.token_ids) for r in responses]
        self.parts = {}
        if self.reward_fn is None:
            return scores
        if isinstance(self.reward_fn, BatchedRewardFunction):
            self._score_batch(responses, scores)
        else:
            self._score_episodes(responses, scores)
        return scores

    def _score_batch(self, responses: Sequence[Response], scores: list[list[float]]) -> None:
        ended = [i for i, r in enumerate(responses) if r.ended]
        if not ended:
            return
        done = [responses[i] for i in ended]
        with reward_call(self.reward_fn, self.timeout_s):
            rewards = self.reward_fn(
                [r.sample.prompt_or_input_text for r in done],
                [r.text for r in done],
                [copied(r.sample.references) for r in done],
                [True] * len(done),
                [copied(r.sample.meta_data) for r in done],
            )
            rewards = [float(x) for x in rewards]
        if isinstance(self.reward_fn, WeightedRewards):
            self.parts = dict(self.reward_fn.last)
        if len(rewards) != len(done):
            name = type(self.reward_fn).__name__
            raise RunError(f"reward {name}: returned {len(rewards)} rewards for {len(done)} texts; return one each.")
        for i, reward in zip(ended, rewards, strict=True):
            sample = f"sample {getattr(responses[i].sample, 'id', '?')}"
            scores[i][-1] = finite_reward(reward, self.reward_fn, sample)

    def _score_episodes(self, responses: Sequence[Response], scores: list[list[float]]) -> None:
        places: list[tuple[int, int]] = []
        calls: list[tuple[Any, ...]] = []
        sparse = bool(getattr(self.reward_fn, "sparse", False))
        for i, response in enumerate(responses):
            n = len(response.token_ids)
            if sparse and not response.ended:
                continue
            final = replace(self.task.first_observation(response.sample), context_ids=tuple(response.token_ids))
            for step in range(n - 1, n) if sparse else range(n):
                places.append((i, step))
                done = response.ended and step == n - 1
                current = final if step == n - 1 else final.at(step + 1)
                calls.append((final.at(step), response.token_ids[step], current, done, final.meta_info))
        for (i, step), reward in zip(places, self._parallel.map(calls), strict=True):
            scores[i][step] = reward


class SteppedScorer:
    """Scores episodes by stepping a vectorised environment token by token (`env.vec_env: subproc`).

    The environments have no data: each gets its sample before its episode. A reward function that cannot be copied into
    them is called in this process after the episodes.
    """

    def __init__(self, vec_env: Any, task: TextTask, timeout_s: float | None = None) -> None:
        """timeout_s: the time limit of a step of all environments."""
        self.vec_env, self.task, self.timeout_s = vec_env, task, timeout_s
        self._scorer = None if is_copyable(task.reward_function) else BatchedScorer(task, timeout_s=timeout_s)

    @property
    def parts(self) -> Mapping[str, list[float]]:
        return {} if self._scorer is None else self._scorer.parts

    def close(self) -> None:
        """Do nothing, because the owner of the environment closes it."""

    def __call__(self, responses: Sequence[Response]) -> list[list[float]]:
        scores: list[list[float]] = []
        n = self.vec_env.num_envs
        for first in range(0, len(responses), n):
            scores += self._play(responses[first : first + n])
        return scores if self._scorer is None else self._scorer(responses)

    def _play(self, wave: Sequence[Response]) -> list[list[float]]:
        import numpy as np

        n = self.vec_env.num_envs
        for i in range(n):
            self.vec_env.env_method("begin", wave[min(i, len(wave) - 1)].sample, indices=i)
        rows: list[list[float]] = [[] for _ in wave]
        for step in range(max(len(r.token_ids) for r in wave)):
            idle = self.task.pad_id
            actions = [r.token_ids[step] if step < len(r.token_ids) else idle for r in wave]
            actions += [idle] * (n - len(wave))
            rewards = self._step(np.asarray(actions))
            for i, response in enumerate(wave):
                if step < len(response.token_ids):
                    rows[i].append(float(rewards[i]))
        return rows

    def _step(self, actions: Any) -> Any:
        """The rewards of one step. Raises RunError if the process of an environment has ended."""
        with reward_call(self.task.reward_function, self.timeout_s):
            try:
                _, rewards, _, infos = self.vec_env.step(actions)
            except (EOFError, ConnectionError):
                name = name_of(self.task.reward_function)
                raise RunError(
                    f"reward {name}: an environment's process ended; the same command goes on from the last checkpoint."
                ) from None
        for info in infos:
            if STEP_ERROR in info:
                raise RunError(info[STEP_ERROR])
        return rewards
