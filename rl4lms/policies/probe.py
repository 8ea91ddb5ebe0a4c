"""Checks that a language model can be trained and evaluated by this library, by scoring and decoding a few tokens."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Protocol
from weakref import WeakSet

import torch
from torch import Tensor

from rl4lms.core.errors import ConfigError, UserError
from rl4lms.core.pretrained import reason
from rl4lms.policies.language_models import (
    CausalScorer,
    Seq2SeqScorer,
    SequenceScorer,
    vocabulary_size,
)
from rl4lms.policies.sequences import Sequences
from rl4lms.policies.sessions import open_session
from rl4lms.policies.token_rules import token_set

# The largest allowed difference between two computations of the same logits, in standard deviations of the logits.
# Rounding in float32 is below 1e-4; wrong positions, or attention to padding, are above 1e-3 in any model.
LIMIT, LIMIT_IN_HALF_PRECISION = 1e-3, 0.3
PROMPT, PADDING, RESPONSE = 5, 2, 3  # tokens
WAY_OUT = "Choose another model; docs/howto/policy.md says what one must be able to do."
_passed: WeakSet[Any] = WeakSet()


class _Compare(Protocol):
    def __call__(self, what: str, found: Tensor, expected: Tensor) -> None: ...


def check_decodes_as_it_scores(model: Any) -> None:
    """Compare the logits of two short texts that are scored together, scored separately, and decoded with a cache.

    Raises ConfigError if the model cannot do one of these or the logits differ (docs/numerics.md, lines 1, 2 and 4).
    A model is checked once in a process. Random generators are not changed.
    """
    if model in _passed:
        return
    half = next(model.parameters()).dtype in (torch.bfloat16, torch.float16)
    limit = LIMIT_IN_HALF_PRECISION if half else LIMIT

    def compare(what: str, found: Tensor, expected: Tensor) -> None:
        if not bool(expected.isfinite().all()):
            raise ConfigError(
                f"model {model.config.name_or_path or 'given'}: its logits are not finite: its weights are infinite or "
                "not numbers, as after a learning rate that was too high; go back to an earlier checkpoint."
            )
        apart = float((found.float() - expected.float()).abs().max() / expected.float().std().clamp(min=1e-6))
        if not apart <= limit:
            raise ConfigError(_refusal(model, f"{what}, by {apart:.2g} standard deviations of its logits"))

    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        _check(model, _scorer(model), _sequences(model), compare)
    _passed.add(model)


def check_gives_states(model: Any) -> None:
    """Raises ConfigError if the model does not return the last hidden states that a separate value model needs."""
    scorer, sequences = _scorer(model), _sequences(model)
    with torch.no_grad(), torch.random.fork_rng(devices=[]), _doing(model, "be a separate value model"):
        hidden = scorer.hidden(scorer.trunk(model), sequences)
        hidden[:, :RESPONSE].view(*sequences.response_ids.shape, -1)  # raises unless there is one state per token


def _scorer(model: Any) -> SequenceScorer:
    return Seq2SeqScorer if model.config.is_encoder_decoder else CausalScorer


def _check(model: Any, scorer: SequenceScorer, sequences: Sequences, compare: _Compare) -> None:
    with _doing(model, "score a text after its prompt, beside another text"):
        together = scorer.logits(model, sequences)[:, :RESPONSE]
    alone = Sequences(
        sequences.prompt_ids[1:, PADDING:], sequences.prompt_mask[1:, PADDING:], sequences.response_ids[1:],
        sequences.response_mask[1:],
    )  # fmt: skip
    what = "its numbers change with padding and with the texts beside it"
    compare(what, scorer.logits(model, alone)[0, :RESPONSE], together[1])
    with _doing(model, "decode with a cache of keys and values"):
        session = open_session(model, sequences.prompt_ids, sequences.prompt_mask, RESPONSE)
        steps = [session.start(), session.step(sequences.response_ids[:, 0])]
        session.keep(torch.tensor([1], device=model.device))
        last = session.step(sequences.response_ids[1:, 1])
    what = "its decoding with a cache differs from its full pass"
    compare(what, torch.stack(steps, dim=1), together[:, :2])
    compare(what, last[0], together[1, 2])


def _sequences(model: Any) -> Sequences:
    """Two sequences of tokens that are not special. The second prompt has PADDING fewer tokens."""
    config = model.config
    names = ("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id")
    roles = {i for name in names for i in token_set(getattr(config, name, None))}
    plain = [i for i in range(min(vocabulary_size(model), 256)) if i not in roles]
    ids = torch.tensor([plain[(7 * i + 3) % len(plain)] for i in range(2 * (PROMPT + RESPONSE))], device=model.device)
    prompt, response = ids.view(2, -1).split([PROMPT, RESPONSE], dim=1)
    mask = torch.ones_like(prompt, dtype=torch.bool)
    mask[1, :PADDING] = False
    pad = getattr(config, "pad_token_id", None)
    pad = pad if isinstance(pad, int) else 0
    return Sequences(prompt.masked_fill(~mask, pad), mask, response, torch.ones_like(response, dtype=torch.bool))


@contextlib.contextmanager
def _doing(model: Any, what: str) -> Iterator[None]:
    try:
        yield
    except (UserError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # the families of models have no common base class for their exceptions
        raise ConfigError(_refusal(model, f"it cannot {what} ({reason(error)})")) from None


def _refusal(model: Any, what: str) -> str:
    name, kind = model.config.name_or_path or "given", model.config.model_type
    return f'model {name}: a model of type "{kind}" is not supported: {what}. {WAY_OUT}'
