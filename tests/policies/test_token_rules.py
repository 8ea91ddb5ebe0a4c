from __future__ import annotations

import torch

from rl4lms.policies.decoding import decode
from rl4lms.policies.token_rules import TokenRules, id_tensor
from rl4lms.policies.truncation import SamplingSpec
from tests.conftest import tiny_model


def test_index_tensors_are_made_once_and_not_for_every_token() -> None:
    """On a GPU each of them would be a copy that decoding waits for."""
    model = tiny_model("gpt2")
    prompt = torch.tensor([[5, 6, 7]])
    rules = TokenRules(suppressed=(1, 2), bad_words=((3,), (4, 8)), forced_last=(9,))

    def made(n_tokens: int) -> int:
        id_tensor.cache_clear()
        spec = SamplingSpec(n_tokens, do_sample=False, min_length=n_tokens, rules=rules)
        decoded = decode(model, prompt, torch.ones_like(prompt, dtype=torch.bool), spec, eos_id=[10, 11], pad_id=0)
        assert decoded.response_ids[0, -1] == 9 and decoded.response_ids.shape == (1, n_tokens)
        assert not {1, 2, 3, 10, 11} & set(decoded.response_ids[0].tolist())
        return id_tensor.cache_info().misses

    assert made(4) == made(12) == 4
