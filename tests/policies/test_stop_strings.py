"""Stop strings: an episode ends with the token that completes one, and its text before the string."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.testing import assert_close

from benchmarks.decoding import build as real_depth
from benchmarks.decoding import count
from rl4lms.data_pools.text_generation_pool import Sample
from rl4lms.envs.text_generation.env import TextGenEnv
from rl4lms.evaluation.generation import TextGenerator
from rl4lms.policies.decoding import Decoded, decode
from rl4lms.policies.sequences import all_tokens
from rl4lms.policies.truncation import SamplingSpec
from rl4lms.tokenization.continuation import Continuation
from rl4lms.tokenization.tokenizer import train_bpe
from tests.algorithms.test_ppo import build
from tests.conftest import EOS, PAD, tiny_model, word_tokenizer
from tests.policies.test_invariances import ragged

STOPS = ("w7", "w30 w3")  # the second one is also the beginning of "w30 w31", and so complete with that token


def expected_length(tokenizer: Any, ids: list[int]) -> int:
    """The slow definition: the first token after which the text has a stop string, or all of them."""
    for n in range(1, len(ids) + 1):
        if any(stop in tokenizer.decode(ids[:n]) for stop in STOPS) or ids[n - 1] == EOS:
            return n
    return len(ids)


@pytest.mark.parametrize("family", ["gpt2", "t5"])
def test_rows_end_where_a_string_is_complete(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no matter how often the host looks: the tokens are those of rows that do not end, up to there."""
    model, s, n, tokenizer = tiny_model(family), ragged(4), 21, word_tokenizer()
    ids, mask = s.prompt_ids.repeat(6, 1), s.prompt_mask.repeat(6, 1)
    u = torch.rand(24, n, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    spec = SamplingSpec(n, temperature=3.0)
    free = decode(
        model, ids, mask, SamplingSpec(n, temperature=3.0, stop_on_eos=False), eos_id=EOS, pad_id=PAD, uniforms=u
    )
    texts = [Continuation(tokenizer, (), (EOS,), STOPS) for _ in ids]
    for steps in (8, 1, 100):
        monkeypatch.setattr("rl4lms.policies.decoding.STEPS_BETWEEN_LOOKS", steps)
        out = decode(model, ids, mask, spec, eos_id=EOS, pad_id=PAD, uniforms=u, texts=texts)
        lengths = out.response_mask.sum(1).tolist()
        assert lengths == [expected_length(tokenizer, row.tolist()) for row in free.response_ids]
        assert len(set(lengths)) > 3 and max(lengths) == out.response_ids.shape[1]
        for row, other, length in zip(out.response_ids, free.response_ids, lengths, strict=True):
            assert torch.equal(row[:length], other[:length]) and (row[length:] == PAD).all()
        assert_close(out.logprobs, free.logprobs[:, : max(lengths)].where(out.response_mask, 0.0), rtol=0, atol=1e-5)


def test_pieces_of_words_and_bytes_of_characters() -> None:
    """A stop string may end within a token, and the bytes of a character that is not whole yet hide nothing."""
    tokenizer = train_bpe(["one two ### three \u00e9\u00e9", "answer: ### \u00e9"], 290)
    prompt, ids = tokenizer("one ###").input_ids, tokenizer(" two \u00e9\u00e9##### three").input_ids
    text = Continuation(tokenizer, prompt, (), ("###", "three"))
    length = text.length(ids)
    assert length is not None and "###" in tokenizer.decode(ids[:length])
    assert "###" not in tokenizer.decode(ids[: length - 1])
    assert text.text(ids) == text.text(ids[:length]) == " two \u00e9\u00e9", "what the prompt says stops nothing"
    assert Continuation(tokenizer, prompt, (), ("four",)).length(ids) is None
    overlapping = Continuation(tokenizer, prompt, (), ("two \u00e9\u00e9#", "\u00e9"))
    assert overlapping.text(ids) == " two ", "the one that is complete first ends the text"


@pytest.mark.parametrize("length", [12, 6])
def test_a_rollout_learns_the_tokens_and_the_reward_does_not_see_them(model_dir: Any, length: int) -> None:
    seen: list[str] = []

    class Reward:
        sparse = True

        def __call__(self, previous: Any, action: int, current: Any, done: bool, meta_info: Any = None) -> float:
            seen.append(current.context_text)
            return 1.0

    policy = {"generation_kwargs": {"temperature": 3.0, "stop_strings": list(STOPS)}}
    algorithm = build(model_dir("gpt2"), reward=Reward(), length=length, policy=policy, n_steps=100)
    batch = algorithm.collector.collect(algorithm.policy, 0)
    tokenizer = word_tokenizer()
    n_ended = 0
    for ids, mask, text in zip(batch.sequences.response_ids, batch.mask, batch.texts, strict=True):
        row = ids[mask].tolist()
        whole = tokenizer.decode(row, skip_special_tokens=True)
        n_ended += any(stop in whole for stop in STOPS)
        assert not any(stop in text for stop in STOPS) and whole.startswith(text.strip())
        assert not any(stop in tokenizer.decode(row[:-1]) for stop in STOPS), "nothing comes after it"
    assert n_ended > 5
    assert seen == [text for text, ended in zip(batch.texts, batch.ended, strict=True) if ended]
    view = all_tokens(batch.sequences)
    result = algorithm.policy.evaluate_actions(view, view.gather(batch.sequences.response_ids))
    assert_close(result.log_prob.detach(), batch.logprobs[batch.mask], rtol=0, atol=1e-5)


def test_the_stepped_environment_ends_where_the_sampler_does(model_dir: Any) -> None:
    policy = {"generation_kwargs": {"temperature": 3.0, "stop_strings": list(STOPS)}}
    algorithm = build(model_dir("gpt2"), length=12, policy=policy, n_steps=100)
    batch, task = algorithm.collector.collect(algorithm.policy, 0), algorithm.collector.task
    env = TextGenEnv(**{name: value for name, value in vars(task).items() if name != "pad_token_id"})
    for row, text in enumerate(batch.texts):
        env.reset(sample=task.samples[batch.prompt_index[row]][0])
        ids = batch.sequences.response_ids[row][batch.mask[row]].tolist()
        done = [env.step(token)[2] for token in ids]
        assert done == [False] * (len(ids) - 1) + [bool(batch.ended[row])]
        assert env._observation is not None and env._observation.context_text == text


@pytest.mark.parametrize("do_sample", [False, True])
def test_evaluation_cuts_texts_alike(model_dir: Any, do_sample: bool) -> None:
    model, tokenizer = tiny_model("gpt2"), word_tokenizer()
    samples = [Sample(str(i), f"w{i + 4} w9", [""]) for i in range(12)]
    settings = {"max_new_tokens": 20, "do_sample": do_sample, "temperature": 3.0}
    made = {}
    for stops in (None, STOPS):
        generation = settings | ({"stop_strings": list(stops)} if stops else {})
        made[stops] = TextGenerator(
            model, tokenizer, generation=generation, max_prompt_length=8, batch_size=5, seed=1
        ).generate(samples)
    for ids, text, free in zip(made[STOPS].token_ids, made[STOPS].texts, made[None].token_ids, strict=True):
        assert ids == free[: expected_length(tokenizer, free)]
        cut = tokenizer.decode(ids, skip_special_tokens=True)
        assert text.strip() == min((cut.partition(stop)[0] for stop in STOPS), key=len).strip()


def test_looks_are_all_that_the_host_waits_for() -> None:
    """With stop strings as without one look in eight tokens, for which four things are read in place of one."""
    model = real_depth("gpt2", width=16, vocab_size=1001)
    tokenizer = train_bpe(["one two three"], 300)
    ids = torch.full((8, 4), 40)
    waits = []
    for texts in (None, [Continuation(tokenizer, (), (), ("never",)) for _ in ids]):
        spec = SamplingSpec(48, do_sample=False)

        def work(texts: Any = texts, spec: SamplingSpec = spec) -> Decoded:
            mask = torch.ones_like(ids, dtype=torch.bool)
            return decode(model, ids, mask, spec, eos_id=2000, pad_id=0, texts=texts)

        counted, n = count(model, work)
        waits.append(counted.waits.total())
    assert waits[1] <= waits[0] + 4 * (n // 8 + 1)
