"""Hugging Face language models: loaded, and run over finished sequences at once (decoding is in `sessions`)."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from rl4lms.core.errors import ConfigError
from rl4lms.core.pretrained import from_pretrained, model_from_pretrained
from rl4lms.numerics.categorical import action_logprobs, masked_logits
from rl4lms.policies.cache import in_cache, keep_rows, without_adapters
from rl4lms.policies.recomputation import is_recomputed
from rl4lms.policies.sequences import Sequences, TokenView

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def load_language_model(
    name: str, *, seq2seq: bool, dtype: torch.dtype | None = None, trust_remote_code: bool = False, **kwargs: Any
) -> PreTrainedModel:
    """Load a causal or sequence-to-sequence model by directory or hub id, in eval mode.

    Raises ConfigError if there is no such model or it is of the other kind.
    """
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # because one bar per file would fill a log
    config = from_pretrained(AutoConfig, name, "model", trust_remote_code=trust_remote_code)
    if bool(config.is_encoder_decoder) is not seq2seq:
        kind, other = ("seq2seq", "causal") if seq2seq else ("causal", "seq2seq")
        raise ConfigError(f"model {name}: a {other} model where a {kind} one is expected; choose the {other} policy.")
    auto = AutoModelForSeq2SeqLM if seq2seq else AutoModelForCausalLM
    model = model_from_pretrained(
        auto, name, "model", dtype=dtype or torch.float32, trust_remote_code=trust_remote_code, **kwargs
    )
    loaded: PreTrainedModel = fuse_gelu(model.eval())
    return loaded


def fuse_gelu(model: Any) -> Any:
    """Replace the tanh form of GELU (as in GPT-2) by torch's, which is one kernel instead of eight. In place."""
    from transformers.activations import NewGELUActivation

    for module in model.modules():
        for name, child in module.named_children():
            if type(child) is NewGELUActivation:
                setattr(module, name, nn.GELU(approximate="tanh"))
    return model


def vocabulary_size(model: Any) -> int:
    """The number of actions: the rows of the output embedding. The tokenizer may have fewer tokens."""
    return int(model.get_output_embeddings().weight.shape[0])


def hidden_size(model: Any) -> int:
    return int(model.get_output_embeddings().weight.shape[1])


def position_ids(mask: Tensor) -> Tensor:
    """Positions of real tokens, 0 for the first: the exclusive cumulative sum of a (B, L) bool mask."""
    return (mask.long().cumsum(-1) - 1).clamp(min=0)


def mask_or_none(mask: Tensor) -> Tensor | None:
    """`mask`, or None without padding, because attention is then faster."""
    return None if bool(mask.all()) else mask


def accepts_positions(module: Any) -> bool:
    """Whether the model takes position_ids. A peft model takes what its base takes, without naming it."""
    return "position_ids" in inspect.signature(without_adapters(module).forward).parameters


def to_right_padding(ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Turn left padding into right padding, because encoders with absolute positions count from the first column."""
    if bool(mask.all()):
        return ids, mask
    order = torch.argsort((~mask).to(torch.uint8), dim=1, stable=True)
    return ids.gather(1, order), mask.gather(1, order)


# model_type -> the attribute with a decoder's blocks, and the last module of a block's attention. This module and the
# block's `mlp` compute each position separately.
BLOCKS = {"gpt2": ("h", "attn.c_proj"), "gpt_neox": ("layers", "attention.dense")} | dict.fromkeys(
    ("llama", "mistral", "qwen2", "qwen3"), ("layers", "self_attn.o_proj")
)


# model_types whose head is a linear map of the last hidden states, and whose cache takes many tokens at once.
SHARES = ("gpt2", "gpt_neox", "llama", "qwen2", "qwen3")


@contextlib.contextmanager
def last_block_of_responses(model: Any, length: int, n: int) -> Iterator[None]:
    """In this context, the part of the last block after its attention computes only the last `n` of `length` positions.

    The others are 0. Nothing reads them, and this part is three quarters of a block's work. Models that are not in
    BLOCKS compute everything.
    """
    trunk = without_adapters(model).base_model
    if trunk.config.model_type not in BLOCKS:
        yield
        return

    def select(_: Any, inputs: tuple[Tensor]) -> Tensor:
        return inputs[0][:, length - n :].contiguous()

    def place(_: Any, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        return nn.functional.pad(output, (0, 0, length - n, 0))

    blocks, projection = BLOCKS[trunk.config.model_type]
    last = getattr(trunk, blocks)[-1]
    hooks = []
    for module in (last.get_submodule(projection), last.mlp):
        hooks += [module.register_forward_pre_hook(select), module.register_forward_hook(place)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


class CausalScorer:
    """The teacher-forced forward of a decoder-only model over prompts and responses."""

    @staticmethod
    def inputs(model: Any, sequences: Sequences) -> dict[str, Any]:
        """The tokens that predict the T response tokens: the prompt and all response tokens except the last.

        The last one is kept if the length is then a multiple of eight, which is faster in attention. Its prediction is
        not read.
        """
        ids = torch.cat([sequences.prompt_ids, sequences.response_ids], dim=1)
        mask = torch.cat([sequences.prompt_mask, sequences.response_mask], dim=1)
        if ids.shape[1] % 8:
            ids, mask = ids[:, :-1], mask[:, :-1]
        inputs = {"input_ids": ids, "attention_mask": mask_or_none(mask), "use_cache": False}
        if inputs["attention_mask"] is not None and accepts_positions(model):
            inputs["position_ids"] = position_ids(mask)  # without padding, the model's default is the same
        return inputs

    @classmethod
    def logits(cls, model: Any, sequences: Sequences) -> Tensor:
        """(B, T or T + 1, V) logits of the response tokens, and possibly of one more, in the model's dtype."""
        inputs, length, n = cls._shape(model, sequences)
        with last_block_of_responses(model, length, n):
            logits: Tensor = model(**inputs, logits_to_keep=n).logits
        return logits

    @classmethod
    def hidden(cls, trunk: Any, sequences: Sequences) -> Tensor:
        """(B, T or T + 1, D) last hidden states that predict the response tokens, and possibly one more."""
        inputs, length, n = cls._shape(trunk, sequences)
        with last_block_of_responses(trunk, length, n):
            hidden: Tensor = trunk(**inputs).last_hidden_state
        return hidden[:, -n:]

    @staticmethod
    def shared_states(model: Any, sequences: Sequences) -> Tensor | None:
        """(B, T, D) inputs of the head for the response tokens, with one pass over each prompt; None if not possible.

        The responses to a prompt continue copies of its cache, through which the gradient flows. Only the models in
        SHARES can do so, and not if blocks are computed again, which would write the cache twice.
        """
        trunk, shared = without_adapters(model).base_model, sequences.prompts()
        if shared is None or trunk.config.model_type not in SHARES or is_recomputed(trunk):
            return None
        from transformers.cache_utils import DynamicCache

        first, group = shared
        ids, mask = sequences.prompt_ids[first], sequences.prompt_mask[first]
        cache = DynamicCache(config=trunk.config)
        inputs = {"input_ids": ids, "attention_mask": mask_or_none(mask), "position_ids": position_ids(mask)}
        with last_block_of_responses(model, ids.shape[1], 1):
            prompt: Tensor = trunk(**inputs, **in_cache(trunk, cache), use_cache=True).last_hidden_state[group, -1:]
        if sequences.response_ids.shape[1] == 1:
            return prompt
        keep_rows(cache, group)
        ids, real = sequences.response_ids[:, :-1], sequences.response_mask[:, :-1]
        positions = mask.sum(1)[group].unsqueeze(1) + torch.arange(ids.shape[1], device=ids.device)
        response = trunk(
            input_ids=ids,
            attention_mask=mask_or_none(torch.cat([mask[group], real], dim=1)),
            position_ids=positions,
            use_cache=True,
            **in_cache(trunk, cache),
        ).last_hidden_state
        return torch.cat([prompt, response], dim=1)

    @classmethod
    def _shape(cls, model: Any, sequences: Sequences) -> tuple[dict[str, Any], int, int]:
        """The model's inputs, their length, and the number of last positions that are read."""
        inputs = cls.inputs(model, sequences)
        length = inputs["input_ids"].shape[1]
        return inputs, length, length - sequences.prompt_ids.shape[1] + 1

    @staticmethod
    def trunk(model: Any) -> Any:
        """The model without its language-model head."""
        return model.base_model


class Seq2SeqScorer:
    """The teacher-forced forward of an encoder-decoder over prompts (encoder) and responses (decoder)."""

    @staticmethod
    def decoder_inputs(model: Any, sequences: Sequences) -> Tensor:
        start = torch.full_like(sequences.response_ids[:, :1], start_token(model))
        return torch.cat([start, sequences.response_ids[:, :-1]], dim=1)

    @classmethod
    def logits(cls, model: Any, sequences: Sequences) -> Tensor:
        from transformers.modeling_outputs import BaseModelOutput

        ids, mask = to_right_padding(sequences.prompt_ids, sequences.prompt_mask)
        inputs: dict[str, Any] = {"input_ids": ids}
        if (shared := sequences.prompts()) is not None:  # a prompt is encoded once
            first, group = shared
            ids, few = ids[first], mask[first]
            encoded = model.get_encoder()(input_ids=ids, attention_mask=mask_or_none(few)).last_hidden_state
            inputs = {"encoder_outputs": BaseModelOutput(last_hidden_state=encoded[group])}
        output = model(
            **inputs,
            attention_mask=mask_or_none(mask),
            decoder_input_ids=cls.decoder_inputs(model, sequences),
            use_cache=False,
        )
        logits: Tensor = output.logits
        return logits

    @staticmethod
    def shared_states(model: Any, sequences: Sequences) -> None:
        """None: `logits` encodes a shared prompt once."""

    @classmethod
    def hidden(cls, trunk: Any, sequences: Sequences) -> Tensor:
        ids, mask = to_right_padding(sequences.prompt_ids, sequences.prompt_mask)
        attention = mask_or_none(mask)
        encoded = trunk.get_encoder()(input_ids=ids, attention_mask=attention).last_hidden_state
        decoded = trunk.get_decoder()(
            input_ids=cls.decoder_inputs(trunk, sequences),
            encoder_hidden_states=encoded,
            encoder_attention_mask=attention,
            use_cache=False,
        )
        hidden: Tensor = decoded.last_hidden_state
        return hidden

    @staticmethod
    def trunk(model: Any) -> Any:
        return model


def start_token(model: Any) -> int:
    """The decoder's start token. Raises ConfigError if the configuration names none."""
    config = model.config
    start = getattr(config, "decoder_start_token_id", None)
    start = getattr(config, "bos_token_id", None) if start is None else start
    if start is None:
        raise ConfigError(f"model {config.name_or_path}: no decoder_start_token_id in its config.json; add one.")
    return int(start)


SequenceScorer = type[CausalScorer] | type[Seq2SeqScorer]


def token_logits(scorer: SequenceScorer, model: Any, view: TokenView) -> tuple[Tensor, Tensor]:
    """(N, V) logits and (N, D) inputs of the head for the tokens of a view, in the model's dtype.

    The head is applied only to these tokens and not to padding, because it is most of the work.
    """
    return _forward_to_head(scorer, model, view, len(view))


def token_hidden(scorer: SequenceScorer, model: Any, view: TokenView) -> Tensor:
    """(N, D) inputs of the head for the tokens of a view, equal to those of `token_logits`, without its logits."""
    return _forward_to_head(scorer, model, view, 0)[1]


def _forward_to_head(scorer: SequenceScorer, model: Any, view: TokenView, n_scored: int) -> tuple[Tensor, Tensor]:
    """The logits of the first n_scored tokens of a view, (n_scored, V), and the head's inputs of all, (N, D)."""
    seen: list[Tensor] = []

    def select(_: Any, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        seen.append(view.gather(inputs[0]))
        return (seen[0][:n_scored], *inputs[1:])

    if (states := scorer.shared_states(model, view.sequences)) is not None:
        hidden = view.gather(states)
        return model.get_output_embeddings()(hidden[:n_scored]), hidden
    hook = model.get_output_embeddings().register_forward_pre_hook(select)
    try:
        logits = scorer.logits(model, view.sequences)
    finally:
        hook.remove()
    return logits, seen[0]


def token_logprobs(scorer: SequenceScorer, model: Any, view: TokenView) -> Tensor:
    """(N,) float32 log-probabilities of a view's tokens under the model, without masks and temperature."""
    logits = masked_logits(token_logits(scorer, model, view)[0], None)
    return action_logprobs(logits, view.gather(view.sequences.response_ids))
