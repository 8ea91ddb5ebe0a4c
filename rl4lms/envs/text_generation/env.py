"""The token-level gymnasium environment of text generation."""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from gymnasium import spaces

from rl4lms.data_pools.sampling import PromptSampler, weights_of
from rl4lms.rewards.base import BatchedRewardFunction
from rl4lms.tokenization.observation import Observation, SampleLike
from rl4lms.tokenization.text_task import TextTask

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

FIELDS = ("prompt_or_input", "context", "input")


class TextGenEnv(gymnasium.Env[dict[str, np.ndarray], int]):
    """An environment whose episodes continue a prompt and whose actions are token ids.

    Stop tokens and the length limit both terminate an episode. Observations are a Dict of int64 boxes with RL4LMs'
    names, left-padded: `prompt_or_input_*` (P,), `context_*` (T,) and `input_*` (P + T,), each with `_encoded_pt` and
    `_attention_mask_pt`. A `BatchedRewardFunction` is called with the one episode at its end, so that stepping and
    batched scoring agree.

    samples: (sample, weight) pairs; vocab_size: the number of actions (default: the tokenizer's length); stop_ids: the
    tokens that end a text, in addition to the tokenizer's eos; encoder_decoder, stop_strings: see `TextTask`.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi"]}  # noqa: RUF012 - as gymnasium declares it
    render_mode = "ansi"

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        reward_function: Any,
        samples: Sequence[tuple[SampleLike, float]],
        max_episode_length: int = 512,
        priority_scale: float = 0.0,
        max_prompt_length: int | None = None,
        terminate_on_eos: bool = False,
        context_start_token: int | None = None,
        prompt_truncation_side: str = "left",
        vocab_size: int | None = None,
        seed: int = 0,
        stop_ids: Collection[int] = (),
        encoder_decoder: bool | None = None,
        stop_strings: Collection[str] = (),
    ) -> None:
        super().__init__()
        self.task = TextTask(
            tokenizer=tokenizer,
            reward_function=reward_function,
            samples=samples,
            max_episode_length=max_episode_length,
            max_prompt_length=int(max_prompt_length or tokenizer.model_max_length),
            terminate_on_eos=terminate_on_eos,
            prompt_truncation_side=prompt_truncation_side,
            context_start_token=context_start_token,
            priority_scale=priority_scale,
            stop_ids=frozenset(stop_ids),
            encoder_decoder=encoder_decoder,
            stop_strings=tuple(stop_strings),
        )
        n = int(vocab_size or len(tokenizer))
        widths = (self.task.max_prompt_length, max_episode_length, self.task.max_prompt_length + max_episode_length)
        self.observation_space: Any = spaces.Dict(
            {
                f"{field}_{part}": spaces.Box(0, high, (width,), np.int64)
                for field, width in zip(FIELDS, widths, strict=True)
                for part, high in (("encoded_pt", n - 1), ("attention_mask_pt", 1))
            }
        )
        self.action_space: Any = spaces.Discrete(n)
        self._sampler: PromptSampler | None = None
        self._seed, self._episode = seed, 0
        self._next_sample: SampleLike | None = None
        self._observation: Observation | None = None

    def begin(self, sample: SampleLike) -> None:
        """Start an episode with the prompt of `sample`, like `reset`, but without returning an observation."""
        self._observation = self.task.first_observation(sample)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None, sample: SampleLike | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Start an episode with a drawn prompt, or with `sample` (also as `options["sample"]`)."""
        super().reset(seed=seed)
        if seed is not None:
            self._seed, self._episode, self._sampler = seed, 0, None
        sample = sample or (options or {}).get("sample")
        self._observation = self.task.first_observation(self._draw() if sample is None else sample)
        return self._observation.to_dict(), {}

    def _draw(self) -> SampleLike:
        if self._sampler is None:
            weights = weights_of(self.task.samples)
            self._sampler = PromptSampler(weights, self._seed, self.task.priority_scale)
        index = self._sampler.index(0, self._episode)
        self._episode += 1
        return self.task.samples[index][0]

    def step(self, action: int) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        """(observation, reward, terminated, truncated=False, info) after one token."""
        if self._observation is None:
            raise gymnasium.error.ResetNeeded("call reset() before step()")
        previous, token = self._observation, int(action)
        self._observation = current = previous.update(token)
        done = self.task.is_done(current)
        info = self._episode_info(previous, current) if done else {}
        return current.to_dict(), self._reward(previous, token, current, done), done, False, info

    @staticmethod
    def _episode_info(previous: Observation, current: Observation) -> dict[str, Any]:
        """The info at the end of an episode, with RL4LMs' names. It has copies, which the caller may change."""
        return {
            "output": current.context_text,
            "action_history": current.action_history,
            "prev_output": previous.context_text,
            "reference_text": list(current.target_or_reference_texts),
            "prompt_text": current.prompt_or_input_text,
            "meta_info": copy.deepcopy(current.meta_info),
        }

    def _reward(self, previous: Observation, action: int, current: Observation, done: bool) -> float:
        reward_fn = self.task.reward_function
        if reward_fn is None:
            return 0.0
        if not isinstance(reward_fn, BatchedRewardFunction):
            return float(reward_fn(previous, action, current, done, current.meta_info))
        if not done:
            return 0.0
        prompt, references = current.prompt_or_input_text, current.target_or_reference_texts
        return float(reward_fn([prompt], [current.context_text], [references], [True], [current.meta_info])[0])

    def render(self) -> str:
        """The prompt and the text so far."""
        o = self._observation
        return "" if o is None else f"{o.prompt_or_input_text}|{o.context_text}"
