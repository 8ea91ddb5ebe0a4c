"""What a decoded token costs beside the model's own forward, and that nobody sees how this is saved."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from benchmarks.decoding import MODELS, SETTINGS, build, count, decoding
from rl4lms.policies.cache import decoding_cache
from rl4lms.policies.decoding import decode
from rl4lms.policies.sessions import _takes_ready_masks, open_session
from rl4lms.policies.truncation import SamplingSpec
from tests.conftest import EOS, PAD, tiny_model
from tests.policies.test_invariances import FAMILIES, ragged

MOST_KERNELS = {"top-k 50": 20, "top-p 0.9": 30}  # else 15


@pytest.mark.parametrize("kind", MODELS)
def test_a_token_costs_few_kernels_and_hardly_a_wait(kind: str) -> None:
    """At real depth, with padded prompts and rows that leave the batch."""
    model = build(kind, width=16, vocab_size=1001)
    for name in ("temperature 0.7", "top-k 50"):
        settings = SETTINGS[name]
        counted, n = count(model, decoding(model, 8, 48, settings))
        assert n >= 40 and counted.model.total() > 100 * n
        assert counted.waits.total() <= 0.2 * n, (name, counted.waits)
        assert counted.outside.total() <= MOST_KERNELS.get(name, 15) * n, (name, counted.outside)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("pad_id", [PAD, EOS])
def test_nobody_sees_when_it_is_asked_whether_rows_have_ended(
    family: str, pad_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, s, n = tiny_model(family), ragged(4), 21
    ids, mask = s.prompt_ids.repeat(6, 1), s.prompt_mask.repeat(6, 1)
    u = torch.rand(24, n, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    spec = SamplingSpec(n, temperature=3.0, top_k=40, min_length=2)
    found = []
    for steps, most in ((8, 0.75), (1, 1.0), (5, 0.0), (100, 0.75)):
        monkeypatch.setattr("rl4lms.policies.decoding.STEPS_BETWEEN_LOOKS", steps)
        monkeypatch.setattr("rl4lms.policies.decoding.KEPT_AT_MOST", most)
        found.append(decode(model, ids, mask, spec, eos_id=(EOS, 9, 30), pad_id=pad_id, uniforms=u))
    first = found[0]
    lengths = first.response_mask.sum(1)
    assert len(set(lengths.tolist())) > 3 and int(lengths.max()) == first.response_ids.shape[1]
    assert (first.response_ids[~first.response_mask] == pad_id).all()
    for other in found[1:]:
        for name in ("response_ids", "response_mask", "action_mask_bits"):
            assert torch.equal(getattr(other, name), getattr(first, name)), name
        for name in ("logprobs", "raw_logprobs"):
            assert_close(getattr(other, name), getattr(first, name), rtol=0, atol=1e-5)
            assert not getattr(first, name)[~first.response_mask].any()


@pytest.mark.parametrize("family", ["gpt2", "llama", "gpt_neox", "t5", "mt5", "bart"])
@torch.no_grad()
def test_masks_that_are_ready_are_those_that_transformers_makes(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, s = tiny_model(family), ragged()
    assert _takes_ready_masks(model, decoding_cache(model))
    found = []
    for ready in (True, False):
        if not ready:
            monkeypatch.setattr("rl4lms.policies.sessions._READY_MASKS", set())
        session = open_session(model, s.prompt_ids, s.prompt_mask, 6)
        found.append([session.start(), *(session.step(tokens) for tokens in s.response_ids.T[:5])])
    for ours, theirs in zip(*found, strict=True):
        assert torch.equal(ours, theirs)
