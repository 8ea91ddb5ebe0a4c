"""docs/numerics.md, lines 1 to 7: a row depends only on its own tokens, and what is sampled is what is scored."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from rl4lms.numerics.categorical import action_logprobs, masked_logits
from rl4lms.policies.decoding import decode
from rl4lms.policies.language_models import (
    BLOCKS,
    CausalScorer,
    Seq2SeqScorer,
    load_language_model,
    token_logits,
    token_logprobs,
)
from rl4lms.policies.sequences import Sequences, TokenView, all_tokens
from rl4lms.policies.truncation import SamplingSpec, top_k_mask, top_p_mask, truncation_mask
from tests.conftest import CAUSAL, EOS, PAD, SEQ2SEQ, VOCAB, dense_mask, tiny_model

FAMILIES = CAUSAL + SEQ2SEQ


def scorer_of(model):
    return Seq2SeqScorer if model.config.is_encoder_decoder else CausalScorer


def ragged(n: int = 4, seed: int = 0, p: int = 7) -> Sequences:
    g = torch.Generator().manual_seed(seed)
    t = 6
    prompt = torch.randint(4, VOCAB, (n, p), generator=g)
    response = torch.randint(4, VOCAB, (n, t), generator=g)
    prompt_mask = torch.arange(p) >= p - torch.tensor([7, 3, 5, 1][:n]).unsqueeze(1)
    response_mask = torch.arange(t) < torch.tensor([2, 6, 4, 5][:n]).unsqueeze(1)
    return Sequences(prompt.where(prompt_mask, PAD), prompt_mask, response.where(response_mask, PAD), response_mask)


def logprobs(model, s: Sequences) -> torch.Tensor:
    logits = scorer_of(model).logits(model, s)[:, : s.response_ids.shape[1]]
    return action_logprobs(masked_logits(logits, None), s.response_ids)


def hidden(model, s: Sequences) -> torch.Tensor:
    scorer = scorer_of(model)
    return scorer.hidden(scorer.trunk(model), s)


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_padding_changes_nothing(family):
    model, s = tiny_model(family), ragged()
    k = 9
    pad = torch.full((4, k), PAD)
    no = torch.zeros(4, k, dtype=torch.bool)
    padded = Sequences(
        torch.cat([pad, s.prompt_ids], 1), torch.cat([no, s.prompt_mask], 1),
        torch.cat([s.response_ids, pad], 1), torch.cat([s.response_mask, no], 1),
    )  # fmt: skip
    t = s.response_ids.shape[1]
    m = s.response_mask
    assert_close(logprobs(model, padded)[:, :t][m], logprobs(model, s)[m], rtol=0, atol=1e-5)
    assert_close(hidden(model, padded)[:, :t][m], hidden(model, s)[m], rtol=0, atol=2e-5)


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_tokens_scored_apart_are_those_of_the_padded_batch(family):
    """The head sees real tokens alone, in any order; what it gives is what it gives for the whole batch."""
    model, s = tiny_model(family), ragged()
    everything = all_tokens(s)
    order = torch.randperm(len(everything), generator=torch.Generator().manual_seed(0))[:9]
    view = TokenView(s, everything.rows[order], everything.cols[order])
    logits, states = token_logits(scorer_of(model), model, view)
    assert logits.shape == (9, VOCAB)
    assert states.shape[0] == 9
    assert_close(logits, scorer_of(model).logits(model, s)[view.rows, view.cols], rtol=0, atol=1e-5)
    assert_close(token_logprobs(scorer_of(model), model, view), view.gather(logprobs(model, s)), rtol=0, atol=1e-5)
    assert not model.get_output_embeddings()._forward_pre_hooks


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_batch_composition_changes_nothing(family):
    model, s = tiny_model(family), ragged()
    whole_logprobs, whole_hidden = logprobs(model, s), hidden(model, s)
    for i in range(4):
        alone = s.rows(torch.tensor([i]))
        n = int(s.response_mask[i].sum())
        assert_close(logprobs(model, alone)[0, :n], whole_logprobs[i, :n], rtol=0, atol=1e-5)
        assert_close(hidden(model, alone)[0, :n], whole_hidden[i, :n], rtol=0, atol=2e-5)


SPECS = {
    "plain": SamplingSpec(9),
    "tempered": SamplingSpec(9, temperature=0.7),
    "top_k": SamplingSpec(9, top_k=5),
    "top_p": SamplingSpec(9, top_p=0.6),
    "min_length": SamplingSpec(9, min_length=4),
    "all": SamplingSpec(9, temperature=1.3, top_k=12, top_p=0.8, min_length=3),
    "greedy": SamplingSpec(9, do_sample=False),
    "through_eos": SamplingSpec(9, stop_on_eos=False),
}


def sample(model, s: Sequences, spec: SamplingSpec, seed: int = 5, rows=slice(None)):
    u = torch.rand(len(s), spec.max_new_tokens, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return decode(model, s.prompt_ids[rows], s.prompt_mask[rows], spec, eos_id=EOS, pad_id=PAD, uniforms=u[rows])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", SPECS)
@torch.no_grad()
def test_sampled_is_scored(family, name):
    """Line 4: log-probs recorded step by step with a cache equal those of one teacher-forced pass."""
    model, spec = tiny_model(family), SPECS[name]
    s = ragged()
    out = sample(model, s, spec)
    scored = Sequences(s.prompt_ids, s.prompt_mask, out.response_ids, out.response_mask, out.action_mask_bits)
    logits = scorer_of(model).logits(model, scored)[:, : scored.response_ids.shape[1]]
    m = out.response_mask
    again = action_logprobs(masked_logits(logits, dense_mask(scored), spec.temperature), out.response_ids)
    assert_close(again[m], out.logprobs[m], rtol=0, atol=1e-4)
    raw = action_logprobs(masked_logits(logits, None), out.response_ids)
    assert_close(raw[m], out.raw_logprobs[m], rtol=0, atol=1e-4)
    if out.action_mask_bits is not None:
        allowed = dense_mask(scored)
        assert allowed.gather(-1, out.response_ids.unsqueeze(-1)).squeeze(-1)[m].all()
        assert (out.logprobs[m] >= out.raw_logprobs[m] - 1e-4).all() or spec.temperature != 1


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_a_token_does_not_depend_on_its_batch(family):
    model, s = tiny_model(family), ragged()
    spec = SamplingSpec(9, top_p=0.9)
    whole = sample(model, s, spec)
    for i in range(4):
        alone = sample(model, s, spec, rows=slice(i, i + 1))
        n = int(whole.response_mask[i].sum())
        assert int(alone.response_mask.sum()) == n
        assert torch.equal(alone.response_ids[0, :n], whole.response_ids[i, :n])


@torch.no_grad()
def test_rows_that_end_leave_the_batch_without_a_trace():
    """With eos likely, rows end at different steps and the batch is compacted; each row is as if it were alone."""
    model = tiny_model("gpt2")
    s = ragged(4)
    n = 48
    prompts = Sequences(*(x.repeat(12, 1) for x in (s.prompt_ids, s.prompt_mask, s.response_ids, s.response_mask)))
    spec = SamplingSpec(12, temperature=3.0)
    whole = sample(model, prompts, spec)
    lengths = whole.response_mask.sum(1)
    assert lengths.min() < 12 and len(set(lengths.tolist())) > 2
    for i in range(0, n, 7):
        alone = sample(model, prompts, spec, rows=slice(i, i + 1))
        assert torch.equal(alone.response_ids[0], whole.response_ids[i, : alone.response_ids.shape[1]])
    for row, length in zip(whole.response_ids, lengths, strict=True):
        eos = (row[:length] == EOS).nonzero()
        assert (len(eos) == 0 and length == 12) or int(eos[0]) == length - 1


@torch.no_grad()
def test_min_length_forbids_eos_and_nothing_else():
    logits = torch.zeros(1, 6)
    mask = truncation_mask(logits, SamplingSpec(5, min_length=2), step=1, eos_id=2)
    assert mask.tolist() == [[True, True, False, True, True, True]]
    assert truncation_mask(logits, SamplingSpec(5, min_length=2), step=2, eos_id=2) is None  # and so no mask is kept


def test_truncation_equals_transformers_warpers():
    from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    logits = torch.randn(5, 40, generator=torch.Generator().manual_seed(3))
    spec = SamplingSpec(5, temperature=0.8, top_k=17, top_p=0.7)
    scores = TemperatureLogitsWarper(0.8)(None, logits)
    scores = TopPLogitsWarper(0.7)(None, TopKLogitsWarper(17)(None, scores))
    assert torch.equal(truncation_mask(logits, spec, 0, None), torch.isfinite(scores))
    assert torch.equal(top_k_mask(logits, 100), torch.ones_like(logits, dtype=torch.bool))
    assert top_p_mask(logits, 1.0).all() and (top_p_mask(logits, 1e-9).sum(-1) == 1).all()


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_bf16_model_gives_float32_numbers_and_exactly_zero_kl_to_itself(family):
    """Line 6."""
    model, s = tiny_model(family).bfloat16(), ragged()
    first, second = logprobs(model, s), logprobs(model, s)
    assert first.dtype == torch.float32
    assert torch.equal(first - second, torch.zeros_like(first))


@torch.no_grad()
def test_pad_equal_to_eos_keeps_the_first_eos_real():
    """Line 3: masks are carried; the eos that ends a row is real, the padding after it is not."""
    model = tiny_model("gpt2")
    s = ragged()
    u = torch.rand(4, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    spec = SamplingSpec(12, temperature=3.0)
    out = decode(model, s.prompt_ids, s.prompt_mask, spec, eos_id=EOS, pad_id=EOS, uniforms=u)
    ended = [(r == EOS).nonzero()[0].item() for r in out.response_ids if (r == EOS).any()]
    assert ended, "no row sampled an eos; raise the temperature"
    for row, mask in zip(out.response_ids, out.response_mask, strict=True):
        eos = (row == EOS).nonzero().flatten().tolist()
        assert int(mask.sum()) == (eos[0] + 1 if eos else 12) or int(mask.sum()) == len(row)
        if eos:
            assert mask[: eos[0] + 1].all() and not mask[eos[0] + 1 :].any()


def test_gelu_in_one_kernel_is_gelu(model_dir):
    """As transformers' own to rounding, and no module of it is left."""
    from transformers import AutoModelForCausalLM
    from transformers.activations import NewGELUActivation

    theirs = AutoModelForCausalLM.from_pretrained(model_dir("gpt2"))
    ours = load_language_model(str(model_dir("gpt2")), seq2seq=False)
    ids = torch.arange(4, 24).unsqueeze(0)
    assert_close(ours(ids).logits, theirs(ids).logits, rtol=0, atol=1e-5)
    assert any(type(m) is NewGELUActivation for m in theirs.modules())
    assert not any(type(m) is NewGELUActivation for m in ours.modules())


@pytest.mark.parametrize("family", CAUSAL)
@pytest.mark.parametrize("p", [7, 10])
def test_the_last_block_of_responses_changes_no_number(family, p):
    """Where the family is known its upper part sees response positions alone; every number is the whole model's.

    With 10 + 6 tokens, whole eights, the last one is fed, too.
    """
    model, s = tiny_model(family).double(), ragged(p=p)
    trunk, t = CausalScorer.trunk(model), s.response_ids.shape[1]
    inputs = CausalScorer.inputs(model, s)
    length = inputs["input_ids"].shape[1]
    assert length == {7: 12, 10: 16}[p]
    shown = slice(p - 1, p + t - 1)
    plain = model(**inputs).logits[:, shown], trunk(**inputs).last_hidden_state[:, shown]
    seen: list[int] = []
    known = model.config.model_type in BLOCKS
    if known:
        blocks, projection = BLOCKS[model.config.model_type]
        last = getattr(trunk, blocks)[-1]
        upper = [last.get_submodule(projection), last.mlp]
        for module in upper:
            first = next(iter(module.children()), module)
            forward = first.forward
            first.forward = lambda x, forward=forward: seen.append(x.shape[1]) or forward(x)
    found = CausalScorer.logits(model, s), CausalScorer.hidden(trunk, s)
    mask = s.response_mask
    for padded, b in zip(found, plain, strict=True):
        a = padded[:, :t]
        assert_close(a[mask], b[mask], rtol=0, atol=1e-12)
        gradients = [
            torch.autograd.grad(x[mask].sin().sum(), list(trunk.parameters()), allow_unused=True) for x in (a, b)
        ]
        for ours, theirs in zip(*gradients, strict=True):
            assert_close(ours, theirs, rtol=0, atol=1e-10)
    assert seen == ([length - p + 1] * 4 if known else [])
    assert not known or not any(module._forward_hooks or module._forward_pre_hooks for module in upper)
