"""LoRA: adapters and value head alone learn, the reference is the base under them, and masks and texts see adapters."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers
from torch.testing import assert_close

from rl4lms.algorithms.nlpo import NLPO
from rl4lms.core.errors import ConfigError
from rl4lms.policies.adapters import with_adapters
from rl4lms.policies.language_models import load_language_model, position_ids
from rl4lms.policies.sequences import Sequences
from rl4lms.policies.truncation import SamplingSpec
from tests.algorithms.test_nlpo import TOP_P, masks
from tests.algorithms.test_ppo import build
from tests.conftest import CAUSAL, EOS, PAD, SEQ2SEQ, dense_mask

pytest.importorskip("peft")

TARGETS = {"gpt_neox": ["query_key_value"], "opt": ["q_proj", "v_proj"], "blenderbot": ["q_proj", "v_proj"]}
CASES = [(family, value_model) for family in ("gpt2", "t5") for value_model in ("shared", "separate")]


def lora(family: str, rank: int = 4) -> dict[str, Any]:
    return {"r": rank, "lora_alpha": 8.0, "target_modules": TARGETS.get(family)}


def adapted(model_dir: Any, family: str, value_model: str = "shared", **args: Any) -> Any:
    """An algorithm over LoRA whose update is large enough to see."""
    policy = {"lora": lora(family), "value_model": value_model, **args.pop("policy", {})}
    return build(model_dir(family), family, policy=policy, **{"learning_rate": 1e-2, **args})


def shift(policy: Any) -> None:
    """Adapters away from the nothing that they start as."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, p in policy.policy_model.named_parameters():
            if "lora_B" in name:
                p.copy_(0.3 * torch.randn(p.shape, generator=generator))


def sample(policy: Any, ids: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
    """(B, 8) tokens after `ids` (B, P), of the same draws every time."""
    mask = torch.ones_like(ids, dtype=torch.bool) if mask is None else mask
    draws = torch.rand(len(ids), 8, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    spec = SamplingSpec(8, stop_on_eos=False)
    return policy.generate(ids, mask, spec, eos_id=EOS, pad_id=PAD, uniforms=draws).response_ids


def base_of(directory: Any, family: str) -> Any:
    return load_language_model(str(directory), seq2seq=family in SEQ2SEQ)


def size(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(("family", "value_model"), CASES)
def test_adapters_and_value_head_are_all_that_learns(model_dir: Any, family: str, value_model: str) -> None:
    algorithm = adapted(model_dir, family, value_model)
    policy = algorithm.policy
    named = dict(policy.named_parameters())
    trainable = {name for name, p in named.items() if p.requires_grad}
    assert trainable == {name for name in named if "lora_" in name or name == "value_head.weight"}
    assert any(name.startswith("value_trunk.") for name in trainable) == (value_model == "separate")
    grouped = [p for group in policy.optimizer.param_groups for p in group["params"]]
    assert sorted(map(id, grouped)) == sorted(id(named[name]) for name in trainable)
    before = {name: p.detach().clone() for name, p in named.items()}
    algorithm.learn(64 * 2, log_interval=None)
    moved = {name for name, p in policy.named_parameters() if not torch.equal(p, before[name])}
    assert moved == trainable


@pytest.mark.parametrize(("family", "value_model"), CASES)
def test_the_reference_is_the_base_model_and_no_copy_of_it(model_dir: Any, family: str, value_model: str) -> None:
    """docs/numerics.md, line 19 under LoRA: bit-identical before and after updates, and the base's own."""
    algorithm = adapted(model_dir, family, value_model, policy={"generation_kwargs": {"temperature": 3.0}})
    policy, plain = algorithm.policy, build(model_dir(family), family).policy
    assert policy.reference_model is None
    n_adapters = sum(p.numel() for name, p in policy.policy_model.named_parameters() if "lora_" in name)
    assert size(policy.policy_model) == size(base_of(model_dir(family), family)) + n_adapters
    if value_model == "shared":
        assert size(policy) == size(policy.policy_model) + policy.value_head.weight.numel()
    sequences = algorithm.collector.collect(policy, 0).sequences
    assert len(set(sequences.prompt_mask.sum(1).tolist())) > 1, "prompts of different lengths, left-padded"
    before = policy.reference_logprobs(sequences)
    assert_close(before, plain.reference_logprobs(sequences), rtol=0, atol=1e-6)
    algorithm.learn(64 * 2, log_interval=None)
    assert torch.equal(policy.reference_logprobs(sequences), before)
    assert (policy.sequence_logprobs(sequences)[1] - before).abs().max() > 1e-3, "the policy itself has moved"


@pytest.mark.parametrize("family", CAUSAL + SEQ2SEQ)
@torch.no_grad()
def test_left_padding_changes_nothing_under_adapters(model_dir: Any, family: str) -> None:
    """docs/numerics.md, line 1: peft's model takes `position_ids` without naming them in its signature."""
    policy = adapted(model_dir, family).policy
    shift(policy)
    ids, response = torch.tensor([[5, 9, 11]]), torch.tensor([[7, 8, 4, 6]])
    rows = [Sequences(ids, torch.ones_like(ids, dtype=torch.bool), response, torch.ones_like(response).bool())]
    mask = torch.tensor([[False] * 5 + [True] * 3])
    rows.append(Sequences(torch.cat([torch.full((1, 5), PAD), ids], 1), mask, response, rows[0].response_mask))
    assert position_ids(mask).tolist() == [[0] * 5 + [0, 1, 2]]
    alone, padded = (policy.sequence_logprobs(row)[1] for row in rows)
    assert_close(padded, alone, rtol=0, atol=1e-5)
    assert torch.equal(*(sample(policy, row.prompt_ids, row.prompt_mask) for row in rows))


@pytest.mark.parametrize(("family", "value_model"), CASES)
@torch.no_grad()
def test_generation_goes_through_the_adapters(model_dir: Any, family: str, value_model: str) -> None:
    """Without adapters trained it is the base's text; with them another one, that the policy scores as it sampled."""
    algorithm = adapted(model_dir, family, value_model)
    policy, plain = algorithm.policy, build(model_dir(family), family).policy
    ids = torch.tensor([[5, 9, 11], [6, 4, 30]])
    assert torch.equal(sample(policy, ids), sample(plain, ids))
    shift(policy)
    assert not torch.equal(sample(policy, ids), sample(plain, ids))
    batch = algorithm.collector.collect(policy, 0)
    algorithm.rollout_buffer.add_episodes(batch, 0)
    algorithm._check_reproduction(batch)
    assert (batch.raw_logprobs - batch.ref_logprobs)[batch.mask].abs().max() > 1e-2


@pytest.mark.parametrize("family", ["gpt2", "t5"])
def test_the_mask_policy_has_adapters_of_its_own(model_dir: Any, family: str) -> None:
    """docs/numerics.md, line 20 under LoRA: updates do not change the mask; a refresh copies the adapters, too."""
    algorithm = adapted(model_dir, family, cls=NLPO, policy={**TOP_P, "target_update_iterations": 1000})
    policy = algorithm.policy
    before = masks(algorithm)
    algorithm.learn(64 * 2, log_interval=None)
    shift(policy)
    assert torch.equal(masks(algorithm)[0], before[0])
    policy.refresh_mask()
    assert not torch.equal(masks(algorithm)[0], before[0])
    mask, current = (dict(m.named_parameters()) for m in (policy.mask_model, policy.policy_model))
    assert all(torch.equal(mask[name], p) and mask[name] is not p for name, p in current.items() if "lora_" in name)
    assert not any(p.requires_grad for p in mask.values())
    batch = algorithm.collector.collect(policy, 7)
    chosen = dense_mask(batch.sequences).gather(-1, batch.sequences.response_ids.unsqueeze(-1)).squeeze(-1)
    assert chosen[batch.mask].all()


def test_what_peft_refuses_is_one_line(model_dir: Any) -> None:
    with pytest.raises(ConfigError, match=r"alg\.policy\.args\.lora: .*nope") as error:
        build(model_dir("gpt2"), policy={"lora": {**lora("gpt2"), "target_modules": ["nope"]}})
    assert "\n" not in str(error.value)


SHAPE = {
    "vocab_size": 64, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 64, "pad_token_id": 0, "eos_token_id": 2,
    "moe_intermediate_size": 16, "num_experts": 4, "num_local_experts": 4, "num_experts_per_tok": 2,
}  # fmt: skip


WITHOUT_DEFAULT = ("qwen3_moe", "phi3", "olmo2", "smollm3")  # in peft 0.21


@pytest.mark.parametrize("targets", [None, "all-linear"])
@pytest.mark.parametrize("kind", [*WITHOUT_DEFAULT, "gemma3_text", "mistral", "mixtral", "qwen3"])
def test_models_of_today_have_modules_to_adapt(kind: str, targets: str | None) -> None:
    """With peft's default or without one, on the model and on its trunk, never its head; merged they say the same."""
    auto = transformers.AutoModelForCausalLM
    model = auto.from_config(transformers.AutoConfig.for_model(kind, **SHAPE)).eval()
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        before = model(ids).logits
        for each in (auto.from_config(model.config).base_model, model):
            adapted = with_adapters(each, {"r": 4, "target_modules": targets}, seq2seq=None)
            trained = [name for name, p in adapted.named_parameters() if p.requires_grad]
            assert trained and not any(word in name for name in trained for word in ("lm_head", "embed"))
            if targets is not None or kind in WITHOUT_DEFAULT:
                assert any("mlp" in name for name in trained), "all linear modules are more than attention's"
        for name, p in adapted.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(p, std=0.3)
        changed = adapted(ids).logits
        assert (changed - before).abs().max() > 1e-4
        assert_close(adapted.merge_and_unload()(ids).logits, changed, rtol=0, atol=1e-5)
