"""docs/examples/ppo_single_file.py makes the update of the library's PPO, runs as its page says, and learns."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from docs.examples import ppo_single_file as one_file
from rl4lms.policies.language_models import load_language_model
from rl4lms.rollouts.kl_controller import KLController
from tests.algorithms.test_ppo import build

from .commands import ROOT

PAGE = ROOT / "docs" / "ppo_in_one_file.md"
KL = 0.3
SETTINGS = {"gamma": 0.97, "gae_lambda": 0.9, "ent_coef": 0.01, "vf_coef": 0.4, "learning_rate": 3e-3, "n_epochs": 3}
SETTINGS |= {"max_grad_norm": 0.5, "clip_range": 0.2}
# What two orders of the same sums may differ by. Adam's first steps make of a rounded gradient near 0 a step of any
# size, so that weights are compared in float64 alone.
TOLERANCE = {"float64": 1e-10, "float32": 1e-6}


def library(directory: Path, dtype: str) -> Any:
    """The library's PPO with whole texts of several lengths in its buffer, a KL, and a critic that says something."""
    policy = {"dtype": dtype, "generation_kwargs": {"temperature": 1.0, "top_k": 0}}
    algorithm = build(directory, kl=KL, n_steps=60, batch_size=64, policy=policy, **SETTINGS)
    if dtype == "float64":
        algorithm.policy.double()  # the head of the values, too
    noise = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in algorithm.policy.policy_model.parameters():
            p.add_(0.05 * torch.randn(p.shape, generator=noise))
        algorithm.policy.value_head.weight.normal_(std=0.1, generator=noise)
    batch = algorithm.collector.collect(algorithm.policy, 0)
    algorithm.rollout_buffer.add_episodes(batch.rows(torch.nonzero(batch.ended).flatten()), 0)
    return algorithm


def the_same_agent(algorithm: Any, directory: Path, dtype: str) -> one_file.Agent:
    policy = algorithm.policy
    agent = one_file.Agent(load_language_model(str(directory), seq2seq=False, dtype=getattr(torch, dtype)))
    agent.policy.load_state_dict(policy.policy_model.state_dict())
    agent.critic.load_state_dict(policy.value_trunk.state_dict())
    agent.value_head.load_state_dict(policy.value_head.state_dict())
    return agent


def the_same_rollout(agent: one_file.Agent, algorithm: Any) -> one_file.Rollout:
    """From the tokens and the scores of the library's, everything else computed anew."""
    episodes = algorithm.rollout_buffer.episodes
    s = episodes.sequences
    ids, mask = torch.cat([s.prompt_ids, s.response_ids], 1), torch.cat([s.prompt_mask, s.response_mask], 1)
    texts = one_file.Texts(ids, mask, s.prompt_ids.shape[1])
    scores = episodes.scores.sum(1).to(episodes.values.dtype)
    return one_file.assess(agent, texts, scores, KL, arguments())


def trained_by_file(agent: one_file.Agent) -> dict[str, torch.nn.Parameter]:
    return {name: p for name, p in agent.named_parameters() if p.requires_grad}


def trained_by_library(algorithm: Any) -> dict[str, torch.nn.Parameter]:
    policy = algorithm.policy
    parts = {"policy": policy.policy_model, "critic": policy.value_trunk, "value_head": policy.value_head}
    found = {name: p for prefix, part in parts.items() for name, p in part.named_parameters(prefix=prefix)}
    assert len(found) == sum(p.requires_grad for p in policy.parameters())
    return found


def arguments() -> one_file.Args:
    return one_file.Args(**SETTINGS, weight_decay=1e-6)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_update_is_the_librarys(model_dir: Any, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rollout, three epochs of minibatches with clipping on both sides, and the weights afterwards."""
    tolerance = TOLERANCE[dtype]
    algorithm = library(model_dir("gpt2"), dtype)
    buffer, e = algorithm.rollout_buffer, algorithm.rollout_buffer.episodes
    assert len(set(e.mask.sum(1).tolist())) > 2 and not e.sequences.prompt_mask.all(), "nothing is padded"
    agent = the_same_agent(algorithm, model_dir("gpt2"), dtype)
    rollout = the_same_rollout(agent, algorithm)
    assert (e.raw_logprobs - e.ref_logprobs)[e.mask].abs().max() > 0.1, "no KL"
    pairs = {
        "logprobs": e.logprobs,
        "ref_logprobs": e.ref_logprobs,
        "values": e.values,
        "rewards": e.rewards,
        "advantages": buffer.advantages,
        "returns": buffer._returns,
    }
    for name, expected in pairs.items():
        found = getattr(rollout, name)
        assert found.dtype == expected.dtype == getattr(torch, dtype), name
        assert_close(found[e.mask], expected[e.mask], rtol=0, atol=10 * tolerance, msg=lambda m, n=name: f"{n}: {m}")
    own, theirs = trained_by_file(agent), trained_by_library(algorithm)
    assert own.keys() == theirs.keys()
    minibatches: list[torch.Tensor] = []
    losses: list[dict[str, float]] = []
    samples, accumulate = buffer._samples, algorithm.accumulate_gradients

    def remember(rows: torch.Tensor, cols: torch.Tensor) -> Any:
        minibatches.append(rows.unique())
        return samples(rows, cols)

    def compare_first(batch: Any, *clip: Any) -> dict[str, float]:
        losses.append(accumulate(batch, *clip))
        if len(losses) == 1:
            one_file.ppo_loss(agent, rollout, minibatches[0], arguments())[0].backward()
            for name, p in theirs.items():
                limit = tolerance * max(1.0, float(p.grad.abs().max()))
                assert_close(own[name].grad, p.grad, rtol=0, atol=limit, msg=lambda m, n=name: f"{n}: {m}")
                assert p.grad.abs().max() > 1e-3 or name.endswith("bias"), name
        return losses[-1]

    monkeypatch.setattr(buffer, "_samples", remember)
    monkeypatch.setattr(algorithm, "accumulate_gradients", compare_first)
    algorithm.train()
    assert len(minibatches) > 6 and all(len(rows) > 1 for rows in minibatches)
    optimizer = agent.optimizer(arguments())
    if dtype == "float32":
        return
    numbers = one_file.update(agent, optimizer, rollout, minibatches, arguments())
    assert 0.1 < numbers["clip_fraction"] < 0.9
    for name in ("loss", "policy_gradient_loss", "value_loss", "clip_fraction", "approx_kl"):
        assert numbers[name] == pytest.approx(sum(each[name] for each in losses) / len(losses), abs=tolerance), name
    assert numbers["entropy"] == pytest.approx(-sum(each["entropy_loss"] for each in losses) / len(losses), abs=1e-10)
    for name, p in theirs.items():
        assert_close(own[name], p, rtol=0, atol=tolerance, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("kl", [0.0, 0.19, 0.21, 5.0])
def test_the_adaptive_coefficient_is_the_librarys(kl: float) -> None:
    controller = KLController(0.3, target_kl=0.2)
    controller.step(kl)
    assert one_file.adapted(0.3, kl, 0.2) == pytest.approx(controller.kl_coeff, rel=1e-15)


def test_a_text_ends_with_its_first_end_of_text_token(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    agent = one_file.Agent(one_file.make_model())
    eos, word = one_file.EOS, one_file.encode("calm")[0]
    responses = torch.tensor([[word, eos, one_file.PAD], [eos, eos, word], [word, word, word]])
    monkeypatch.setattr(agent.policy, "generate", lambda ids, **_: torch.cat([ids, responses], 1))
    texts = one_file.generate(agent, ["the", "a house", "we walk"], one_file.Args())
    assert texts.action_mask.tolist() == [[True, True, False], [True, False, False], [True, True, True]]
    assert texts.mask[:, :2].tolist() == [[False, True], [True, True], [True, True]]


def test_only_torch_and_transformers_are_imported() -> None:
    tree = ast.parse((ROOT / "docs/examples/ppo_single_file.py").read_text())
    roots = {a.name.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    roots |= {n.module.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module}
    assert roots - sys.stdlib_module_names == {"torch", "transformers"}


@pytest.mark.slow
def test_it_learns_in_seconds(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "docs/examples/ppo_single_file.py"), "--n_iterations", "15"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    rewards = [float(each) for each in re.findall(r"reward (\S+)", done.stdout)]
    assert len(rewards) == 15
    assert rewards[-1] > rewards[0] + 0.3, "and not by chance"


def test_the_page_names_what_is_there() -> None:
    """Each function of the page's table is in the file, and each place in the library exists."""
    rows = re.findall(r"^\| `(\w+)`.*?\| (.*) \|$", PAGE.read_text(), re.MULTILINE)
    assert len(rows) >= 8
    for name, places in rows:
        assert hasattr(one_file, name), name
        ((path, function),) = re.findall(r"`(rl4lms/[\w/]+\.py)`, `(\w+)`", places)
        text = (ROOT / path).read_text()
        assert f"def {function}(" in text or f"class {function}" in text, (path, function)
