"""The loss of every algorithm of groups against its formula, text by text (docs/numerics.md, lines 30 to 32)."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from tests.algorithms.test_groups import CLASSES, build, filled, gradient, moved, whole

KL, LENGTH, LOW, HIGH = 0.3, 8, 0.05, 0.1
ARGS: dict[str, dict[str, Any]] = {
    "cispo": {"ratio_cap": 1.02},
    "dapo": {"overlong_tokens": 6, "overlong_penalty": 0.4, "n_rounds": 1},
    "dpo": {"beta": 0.3, "completions_per_prompt": 4},
    "reinforce_pp with baseline": {"baseline": "mean", "n_prompts": 4, "completions_per_prompt": 4},
    "reinforce without baseline": {"baseline": "none"},
}


@dataclass
class Text:
    """A completion. logprobs: (T,) of the policy, with gradient; old: of the policy that sampled it, as the penalty."""

    logprobs: Tensor
    old: Tensor
    ref: Tensor
    score: float
    group: int
    greedy: float
    others: list[Text]

    @property
    def kl_penalties(self) -> Tensor:
        return KL * (self.old - self.ref)

    @property
    def k2(self) -> Tensor:
        return (self.logprobs - self.ref) ** 2 / 2

    @property
    def k3(self) -> Tensor:
        return (self.ref - self.logprobs).exp() - 1 - (self.ref - self.logprobs)

    @property
    def ratios(self) -> Tensor:
        return (self.logprobs - self.old).exp()

    @property
    def penalised(self) -> float:
        return self.score - float(self.kl_penalties.sum())

    @property
    def returns_to_go(self) -> list[float]:
        return [self.score - float(self.kl_penalties[t:].sum()) for t in range(len(self.old))]


def clipped(ratio: Tensor, advantage: Any) -> Tensor:
    return -torch.min(ratio * advantage, ratio.clamp(1 - LOW, 1 + HIGH) * advantage)


def above_mean(text: Text, score: Callable[[Text], float] = lambda text: text.score) -> float:
    return score(text) - statistics.fmean(map(score, text.others))


def standardised(text: Text, score: Callable[[Text], float] = lambda text: text.score) -> float:
    return above_mean(text, score) / (statistics.stdev(map(score, text.others)) + 1e-4)


def above_others(text: Text, others: list[Text]) -> float:
    return text.penalised - statistics.fmean(other.penalised for other in others if other is not text)


def without_overlong(text: Text) -> float:
    return text.score - 0.4 * max(0, len(text.old) - (LENGTH - 6)) / 6


def mean(losses: list[Tensor]) -> Tensor:
    return torch.stack(losses).mean()


def white(advantages: list[list[float]]) -> list[Tensor]:
    """Mean 0 and deviation 1 over all tokens of the rollout."""
    every = [a for own in advantages for a in own]
    centre, spread = statistics.fmean(every), statistics.stdev(every)
    return [(torch.tensor(own, dtype=torch.float64) - centre) / (spread + 1e-8) for own in advantages]


def grpo(texts: list[Text]) -> Tensor:
    return mean([(clipped(t.ratios, standardised(t)) + KL * t.k3).mean() for t in texts])


def dr_grpo(texts: list[Text]) -> Tensor:
    return mean([(clipped(t.ratios, above_mean(t)) + KL * t.k3).sum() / LENGTH for t in texts])


def gspo(texts: list[Text]) -> Tensor:
    return mean([clipped((t.logprobs - t.old).mean().exp(), standardised(t)) + KL * t.k3.mean() for t in texts])


def cispo(texts: list[Text]) -> Tensor:
    losses = [-t.ratios.detach().clamp(max=1.02) * standardised(t) * t.logprobs + KL * t.k3 for t in texts]
    return torch.cat(losses).mean()


def dapo(texts: list[Text]) -> Tensor:
    return torch.cat([clipped(t.ratios, standardised(t, without_overlong)) + KL * t.k3 for t in texts]).mean()


def rloo(texts: list[Text]) -> Tensor:
    return mean([clipped((t.logprobs - t.old).sum().exp(), above_others(t, t.others)) for t in texts])


def reinforce(texts: list[Text]) -> Tensor:
    return mean([-above_others(t, texts) * t.logprobs.sum() for t in texts])


def reinforce_without_baseline(texts: list[Text]) -> Tensor:
    return mean([-t.penalised * t.logprobs.sum() for t in texts])


def reinforce_pp(texts: list[Text]) -> Tensor:
    advantages = white([t.returns_to_go for t in texts])
    return torch.cat([clipped(t.ratios, a) for t, a in zip(texts, advantages, strict=True)]).mean()


def reinforce_pp_with_baseline(texts: list[Text]) -> Tensor:
    advantages = white([[above_mean(t)] * len(t.old) for t in texts])
    return torch.cat([clipped(t.ratios, a) + KL * t.k2 for t, a in zip(texts, advantages, strict=True)]).mean()


def remax(texts: list[Text]) -> Tensor:
    returns = [torch.tensor(t.returns_to_go, dtype=torch.float64) - t.greedy for t in texts]
    return mean([-(a * t.logprobs).sum() for t, a in zip(texts, returns, strict=True)])


def raft(texts: list[Text]) -> Tensor:
    best = [t for t in texts if t is max(t.others, key=lambda other: other.score)]
    return -torch.cat([t.logprobs for t in best]).mean()


def dpo(texts: list[Text]) -> Tensor:
    losses = []
    for first in (t for t in texts if t is t.others[0]):
        best, worst = (choose(first.others, key=lambda other: other.score) for choose in (max, min))
        if best.score > worst.score:
            margin = (best.logprobs - best.ref).sum() - (worst.logprobs - worst.ref).sum()
            losses.append(-torch.log(torch.sigmoid(0.3 * margin)))
    return mean(losses)


DEFINITIONS: dict[str, Callable[[list[Text]], Tensor]] = {
    "grpo": grpo, "dr_grpo": dr_grpo, "gspo": gspo, "cispo": cispo, "dapo": dapo, "rloo": rloo, "reinforce": reinforce,
    "reinforce without baseline": reinforce_without_baseline, "reinforce_pp": reinforce_pp,
    "reinforce_pp with baseline": reinforce_pp_with_baseline, "remax": remax, "raft": raft, "dpo": dpo,
}  # fmt: skip


def texts_of(policy: Any, batch: Any) -> list[Text]:
    """The texts of a rollout, each scored by a forward of its own."""
    texts = []
    for row, group in enumerate(batch.groups.tolist()):
        one = batch.sequences.rows(torch.tensor([row]))
        n = int(one.response_mask.sum())
        logits = policy.scorer.logits(policy.policy_model, one)[0, :n]
        logprobs = torch.log_softmax(logits, -1)[torch.arange(n), one.response_ids[0, :n]]
        greedy = math.nan if batch.baseline is None else float(batch.baseline[row])
        old, ref = batch.logprobs[row, :n], batch.ref_logprobs[row, :n]
        texts.append(Text(logprobs, old, ref, float(batch.scores[row].sum()), group, greedy, []))
    for text in texts:
        text.others = [other for other in texts if other.group == text.group]
    return texts


@pytest.mark.parametrize("name", DEFINITIONS)
def test_loss_and_gradient_are_those_of_the_formula(model_dir, name):
    """Of weights that differ from those that sampled, and these from the reference; some ratios are clipped."""
    assert set(CLASSES) <= set(DEFINITIONS)
    cls = CLASSES[name.split(" ")[0]]
    algorithm = moved(build(model_dir("gpt2"), cls=cls, policy={"dtype": "float64"}, kl=KL, **ARGS.get(name, {})))
    batch = algorithm.collector.collect(algorithm.policy, 0)
    filled(algorithm)
    algorithm.clip = (LOW, HIGH)
    moved(algorithm, seed=2)
    texts = texts_of(algorithm.policy, batch)
    assert len({len(t.old) for t in texts}) > 2 and max(abs(t.kl_penalties).max() for t in texts) > 0.01
    outside = [((t.ratios < 1 - LOW).any(), (t.ratios > 1 + HIGH).any()) for t in texts]
    assert all(map(any, zip(*outside, strict=True))), "ratios leave the range on both sides"
    expected = DEFINITIONS[name](texts)
    expected.backward()
    wanted = torch.cat([p.grad.flatten() for p in algorithm.policy.parameters() if p.grad is not None])
    assert wanted.abs().max() > 1e-3
    minibatch = whole(algorithm)
    found = gradient(algorithm, minibatch)
    loss = algorithm.accumulate(minibatch, algorithm.loss)["loss"]
    # Scores are float32, so that an advantage and what it weighs are equal to 1e-7.
    assert loss == pytest.approx(expected.item(), rel=1e-6, abs=1e-6)
    assert_close(found, wanted, rtol=1e-6, atol=1e-6 * float(wanted.abs().max()))


@pytest.mark.parametrize("name", ["grpo", "dr_grpo", "gspo", "rloo", "reinforce", "raft"])
def test_what_is_logged_is_a_mean_over_tokens_whatever_the_weights(model_dir, name):
    """Of one part and of three; the entropy counts in the loss as it is logged."""
    policy, numbers = {"dtype": "float64"}, []
    for ent_coef in (0.0, 0.5):
        algorithm = moved(filled(build(model_dir("gpt2"), cls=CLASSES[name], policy=policy, ent_coef=ent_coef)))
        algorithm.clip = (LOW, HIGH)
        numbers += [algorithm.accumulate(whole(algorithm), algorithm.loss, n) for n in (1, 3)]
    one, three, *with_entropy = numbers
    assert three == pytest.approx(one, abs=1e-9)
    for logged in with_entropy:
        assert logged == pytest.approx({**one, "loss": one["loss"] + 0.5 * one["entropy_loss"]}, abs=1e-9)
    minibatch = whole(algorithm)
    output = algorithm.policy.evaluate_actions(minibatch.observations, minibatch.actions)
    assert one["entropy_loss"] == pytest.approx(-float(output.entropy.mean().detach()), abs=1e-9)
    if name not in ("reinforce", "raft"):
        log_ratio = (output.log_prob - minibatch.old_log_prob).detach()
        k3 = log_ratio.exp() - 1 - log_ratio
        assert one["approx_kl"] == pytest.approx(float(k3.mean()), abs=1e-9)
