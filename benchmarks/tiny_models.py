"""Models of any family of transformers, tiny and of random weights: torch and transformers, nothing of ours."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch

_SIZES = {
    32: "hidden_size d_model n_embd dim embed_dim emb_dim word_embed_proj_dim embedding_size input_embedding_size "
    "output_embedding_size dim_model moe_intermediate_size shared_expert_intermediate_size",
    2: "num_hidden_layers n_layer n_layers num_layers encoder_layers decoder_layers num_decoder_layers "
    "num_attention_heads n_head n_heads num_heads encoder_attention_heads decoder_attention_heads "
    "num_encoder_attention_heads num_decoder_attention_heads num_key_value_heads num_kv_heads num_experts_per_tok",
    64: "intermediate_size ffn_dim encoder_ffn_dim decoder_ffn_dim n_inner d_ff ffn_hidden_size dff dim_ff "
    "sliding_window",
    128: "max_position_embeddings n_positions max_sequence_length max_seq_len max_source_positions "
    "max_target_positions n_ctx",
    4: "num_experts num_local_experts n_routed_experts mamba_n_heads mamba_dt_rank time_step_rank conv_kernel",
    16: "head_dim d_kv dim_head attention_head_size kv_lora_rank q_lora_rank qk_nope_head_dim v_head_dim mamba_d_head",
    8: "rotary_dim qk_rope_head_dim state_size mamba_d_state",
    1: "n_group topk_group num_mem_blocks mamba_n_groups",
}


def tiny_config_of(family: str, tokens: Mapping[str, Any]) -> Any:
    """A family's default configuration, made small where it has a size by one of the usual names.

    tokens: vocab_size, the ids of special tokens, and whatever else of them is not the default.
    """
    from transformers import CONFIG_MAPPING

    kind = CONFIG_MAPPING[family]
    default = kind()
    known = {*default.to_dict(), *kind.attribute_map, *inspect.signature(kind.__init__).parameters}
    sizes = {name: size for size, names in _SIZES.items() for name in names.split()}
    own = {**sizes, "forced_eos_token_id": None, "is_decoder": True, **tokens}
    start = own.pop("decoder_start_token_id", None)
    chosen = {name: value for name, value in own.items() if name in known}
    for alias, name in kind.attribute_map.items():
        if name in chosen:
            chosen.pop(alias, None)
    if getattr(default, "layer_types", None) and "layer_types" in known:
        kinds = list(default.layer_types)
        chosen["layer_types"] = kinds[-2:] if len(set(kinds[-2:])) > 1 else kinds[:2]
    return kind(**chosen, decoder_start_token_id=start)


def tiny_model_of(family: str, seq2seq: bool, tokens: Mapping[str, Any]) -> Any:
    """A random model, its matrices twice as large as usual, in eval mode."""
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    auto = AutoModelForSeq2SeqLM if seq2seq else AutoModelForCausalLM
    torch.manual_seed(0)
    model = auto.from_config(tiny_config_of(family, tokens)).eval()
    assert sum(p.numel() for p in model.parameters()) < 3e6
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim >= 2 and parameter.std() < 0.1:
                parameter.mul_(2.0)
    return model
