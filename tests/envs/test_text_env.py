"""docs/numerics.md, lines 9 and 24: the token-level environment agrees with batched scoring, and with gymnasium."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from rl4lms.data_pools.text_generation_pool import Sample
from rl4lms.envs.text_generation.env import TextGenEnv
from rl4lms.envs.text_generation.vec_env import make_stepping_env, make_vec_env
from rl4lms.rewards.base import BatchedRewardFunction, RewardFunction
from rl4lms.rollouts.scoring import BatchedScorer, SteppedScorer, response_of
from rl4lms.tokenization.text_task import TextTask
from tests.conftest import BOS, EOS, VOCAB, word_tokenizer

SAMPLES = [(Sample(str(i), f"w{4 + i} w9", [f"w{10 + i}"], {"i": i}), 1.0) for i in range(6)]


class Dense(RewardFunction):
    """Counts tokens; sees the observation before and after, and the end."""

    def __call__(self, prev_observation, action, current_observation, done, meta_info=None):
        grown = len(current_observation.context_text) - len(prev_observation.context_text)
        return action / 100 + grown + (10 if done else 0) + meta_info["i"]


class Sparse(RewardFunction):
    sparse = True
    calls = 0

    def __call__(self, prev_observation, action, current_observation, done, meta_info=None):
        type(self).calls += 1
        return float(len(current_observation.context_text.split())) if done else 0.0


class Batched(BatchedRewardFunction):
    def __call__(self, prompt_texts, gen_texts, ref_texts, dones, meta_infos=None):
        rows = zip(prompt_texts, gen_texts, ref_texts, dones, meta_infos, strict=True)
        return [len(p) + 3 * len(g) + len(r[0]) + m["i"] if d else 0 for p, g, r, d, m in rows]


def task(reward: Any, eos: bool = True) -> TextTask:
    return TextTask(word_tokenizer(), reward, SAMPLES, max_episode_length=5, max_prompt_length=4, terminate_on_eos=eos)


RESPONSES = [[5, 6, EOS], [7, 8, 9, 10, 11], [EOS], [5, EOS, 6, 7, 8], [BOS, 5, 6, 0, EOS]]


def responses(t: TextTask, eos: bool) -> list:
    kept = []
    for i, ids in enumerate(RESPONSES):
        if eos and EOS in ids:
            ids = ids[: ids.index(EOS) + 1]
        if eos or len(ids) == 5:
            kept.append(response_of(t, SAMPLES[i][0], ids, ended=True))
    return kept


@pytest.mark.parametrize("reward", [Dense, Sparse, Batched])
@pytest.mark.parametrize("eos", [True, False])
def test_stepping_equals_scoring(reward, eos):
    t = task(reward(), eos)
    env = TextGenEnv(
        t.tokenizer, t.reward_function, SAMPLES, 5, max_prompt_length=4, terminate_on_eos=eos, vocab_size=VOCAB
    )
    batch = responses(t, eos)
    scores = BatchedScorer(t)(batch)
    for response, row in zip(batch, scores, strict=True):
        env.reset(sample=response.sample)
        stepped = []
        for k, action in enumerate(response.token_ids):
            _, r, terminated, truncated, info = env.step(action)
            stepped.append(r)
            assert terminated == (k == len(response.token_ids) - 1) and not truncated
        assert stepped == row
        assert info["output"] == response.text


@pytest.mark.parametrize("reward", [Dense, Sparse, Batched])
def test_text_ends_at_the_first_eos_in_rollout_environment_and_evaluation(reward):
    """Where the episode goes on to its limit, too: later tokens change no score, which lands on the last step."""
    t = task(reward(), eos=False)
    env = TextGenEnv(t.tokenizer, t.reward_function, SAMPLES, 5, max_prompt_length=4, vocab_size=VOCAB)
    rows = []
    for after in ([6, 7, 8], [EOS, 9, 40]):
        ids = [5, EOS, *after]
        response = response_of(t, SAMPLES[0][0], ids, ended=True)
        assert response.text == " w5"
        env.reset(sample=response.sample)
        stepped = [env.step(action)[1] for action in ids]
        rows.append(BatchedScorer(t)([response])[0])
        assert rows[-1] == stepped
        if reward is Dense:  # which counts the action that it is told, and letters that the text has grown by
            assert [row - ids[i] / 100 for i, row in enumerate(stepped)] == pytest.approx([3, 0, 0, 0, 10])
    assert rows[0][:2] == rows[1][:2] and (reward is Dense or rows[0] == rows[1])
    assert reward is Dense or rows[0][:4] == [0] * 4 != rows[0][4:] != [0]


class Model(Batched):
    """Holds what must not be copied; it is asked in this process."""

    def __reduce__(self):
        raise AssertionError("a model was sent to a worker process")


def test_stepping_in_worker_processes_equals_scoring():
    for reward in (Dense(), Model()):
        t = task(reward)
        batch = responses(t, True)
        env = make_stepping_env(t, n_envs=2, vocab_size=VOCAB, sample=SAMPLES[0][0])
        try:
            for stepped, scored in zip(SteppedScorer(env, t)(batch), BatchedScorer(t)(batch), strict=True):
                assert stepped == pytest.approx(scored, rel=1e-6)  # SB3 carries rewards in float32
        finally:
            env.close()


def test_sparse_reward_is_called_once_an_episode():
    t = task(Sparse())
    Sparse.calls = 0
    BatchedScorer(t)(responses(t, True))
    assert Sparse.calls == len(RESPONSES)


def test_cut_episode_is_not_scored_at_its_end():
    t = task(Sparse())
    cut = response_of(t, SAMPLES[0][0], [5, 6], ended=False)
    assert BatchedScorer(t)([cut]) == [[0.0, 0.0]]
    t = task(Batched())
    assert BatchedScorer(t)([cut]) == [[0.0, 0.0]]
    t = task(Dense())
    assert all(score < 10 for score in BatchedScorer(t)([cut])[0])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_reward_must_be_finite(value):
    class Broken(BatchedRewardFunction):
        def __call__(self, prompt_texts, gen_texts, ref_texts, dones, meta_infos=None):
            return [value] * len(gen_texts)

    from rl4lms.core.errors import RunError

    t = task(Broken())
    with pytest.raises(RunError, match="reward Broken: .* for sample 0"):
        BatchedScorer(t)(responses(t, True))


def test_reward_must_be_one_per_text():
    class Short(BatchedRewardFunction):
        def __call__(self, prompt_texts, gen_texts, ref_texts, dones, meta_infos=None):
            return [1.0]

    from rl4lms.core.errors import RunError

    t = task(Short())
    with pytest.raises(RunError, match="returned 1 rewards for 5 texts"):
        BatchedScorer(t)(responses(t, True))


@pytest.mark.filterwarnings("ignore")
def test_check_env():
    t = task(Dense())
    env = TextGenEnv(
        t.tokenizer, t.reward_function, SAMPLES, 5, max_prompt_length=4, terminate_on_eos=True, vocab_size=VOCAB
    )
    check_env(env, skip_render_check=True)


def test_observation_is_left_padded_and_grows():
    t = task(None)
    env = TextGenEnv(t.tokenizer, None, SAMPLES, 5, max_prompt_length=4, vocab_size=VOCAB)
    obs, _ = env.reset(sample=SAMPLES[0][0])
    assert obs["prompt_or_input_encoded_pt"].tolist() == [0, 0, 4, 9]
    obs, *_ = env.step(7)
    obs, *_ = env.step(8)
    assert obs["context_encoded_pt"].tolist() == [0, 0, 0, 7, 8]
    assert obs["context_attention_mask_pt"].tolist() == [0, 0, 0, 1, 1]
    assert obs["input_encoded_pt"].tolist() == [0, 0, 0, 0, 0, 4, 9, 7, 8]


def test_same_seed_same_prompts():
    def prompts(seed: int) -> list[str]:
        env = make_vec_env(task(None), n_envs=2, vocab_size=VOCAB, seed=seed)
        return [str(env.reset()["prompt_or_input_encoded_pt"]) for _ in range(4)]

    assert prompts(1) == prompts(1) != prompts(2)


def test_policy_steps_the_environment_as_it_generates(model_dir):
    """SB3's stepping interface (`policy(obs)`) gives the log-probabilities of the batched path."""
    import torch
    from gymnasium import spaces

    from rl4lms.core.tables import PolicyRegistry

    for family, kind, start in (("gpt2", "causal", None), ("t5", "seq2seq", 0)):
        t = task(None)
        env = TextGenEnv(
            t.tokenizer, None, SAMPLES, 5, max_prompt_length=4, vocab_size=VOCAB, context_start_token=start
        )
        cls = PolicyRegistry.get(f"{kind}_lm_actor_critic_policy")
        policy = cls(env.observation_space, spaces.Discrete(VOCAB), lambda _: 1e-4, str(model_dir(family)))
        obs, _ = env.reset(sample=SAMPLES[2][0])
        ids = []
        for _ in range(4):
            batch = {k: torch.as_tensor(v)[None] for k, v in obs.items()}
            actions, _, logprob = policy(batch, deterministic=True)
            ids.append((int(actions), logprob.item()))
            obs, *_ = env.step(int(actions))
        from rl4lms.policies.truncation import SamplingSpec

        spec = SamplingSpec(4, do_sample=False, stop_on_eos=False)
        prompt = np.asarray([6, 9])[None]
        out = policy.generate(torch.as_tensor(prompt), torch.ones(1, 2, dtype=torch.bool), spec, eos_id=EOS, pad_id=0)
        assert [i for i, _ in ids] == out.response_ids[0].tolist()
        assert [p for _, p in ids] == pytest.approx(out.logprobs[0].tolist(), abs=1e-4)


def careless(references: Any, meta_info: Any) -> float:
    references.append("changed")
    meta_info["deep"].append("changed")
    return float(len(references) + len(meta_info["deep"]))


class CarelessSparse(Sparse):
    def __call__(self, prev_observation, action, current_observation, done, meta_info=None):
        return careless(current_observation.target_or_reference_texts, meta_info)


class CarelessBatched(Batched):
    def __call__(self, prompt_texts, gen_texts, ref_texts, dones, meta_infos=None):
        return [careless(refs, info) for refs, info in zip(ref_texts, meta_infos, strict=True)]


@pytest.mark.parametrize("reward", [CarelessSparse(), CarelessBatched()], ids=["single", "batched"])
def test_a_reward_that_changes_what_it_is_given_changes_no_sample(reward: Any) -> None:
    t = task(reward)
    sample = Sample("0", "w4 w9", ["w10"], {"deep": []})
    batch = [response_of(t, sample, [5, EOS], ended=True)] * 2
    assert BatchedScorer(t)(batch) == BatchedScorer(t)(batch) == [[0.0, 3.0]] * 2
    assert sample == Sample("0", "w4 w9", ["w10"], {"deep": []})
