"""Thirteen families as they are published, but tiny: turn markers, chat templates, special tokens, random weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.tiny_models import tiny_model_of

WORDS = [consonant + vowel for consonant in "bdfgklmnprst" for vowel in "aeio"]  # what prompts are made of
N_DISTINCT = 6

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
QWEN_2_5 = (
    "{% if messages[0].role != 'system' %}{{ '<|im_start|>system\nYou are Qwen.<|im_end|>\n' }}{% endif %}" + CHATML
)
LLAMA_3 = (
    "{{ bos_token }}{% for m in messages %}"
    "{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' + m.content + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
GEMMA_TURNS = (
    "{% for m in turns %}{{ '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) + '\n' }}"
    "{{ (first if loop.first else '') + m.content + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
GEMMA_2 = (
    "{{ bos_token }}{% set first = '' %}{% set turns = messages %}"
    "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}" + GEMMA_TURNS
)
GEMMA_3 = (
    "{{ bos_token }}{% if messages[0].role == 'system' %}{% set first = messages[0].content + '\n\n' %}"
    "{% set turns = messages[1:] %}{% else %}{% set first = '' %}{% set turns = messages %}{% endif %}" + GEMMA_TURNS
)
MISTRAL = (
    "{{ bos_token }}{% set first = messages[0].content + '\n\n' if messages[0].role == 'system' else '' %}"
    "{% for m in messages %}{% if m.role == 'user' %}{{ '[INST] ' + (first if loop.last else '') + m.content }}"
    "{{ '[/INST]' }}{% elif m.role == 'assistant' %}{{ ' ' + m.content + eos_token }}{% endif %}{% endfor %}"
)
PHI_3 = (
    "{% for m in messages %}{{ '<|' + m.role + '|>\n' + m.content + '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)
OLMO_2 = (
    "{{ bos_token }}{% for m in messages %}{{ '<|' + m.role + '|>\n' + m.content }}"
    "{{ eos_token if m.role == 'assistant' else '' }}{{ '\n' if not loop.last or m.role != 'assistant' else '' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)


@dataclass(frozen=True)
class Family:
    """A family's special tokens and template.

    kind: the type of the model in transformers. named: special tokens by their name in a tokenizer; markers: others
    that the template writes; roles: its words that are no special tokens. stops: the stop tokens of
    generation_config.json. around: what the tokenizer puts around a text.
    """

    name: str
    kind: str
    named: dict[str, str]
    template: str | None = None
    markers: tuple[str, ...] = ()
    stops: tuple[str, ...] = ()
    around: str = "$A"
    roles: tuple[str, ...] = ("system", "user", "assistant", "model")
    system: bool = True  # whether the template takes a system message
    scale: tuple[float, float, float] = (0.05, 3.0, 3.0)  # of random weights (`make_lively`)

    @property
    def seq2seq(self) -> bool:
        return self.kind in ("t5", "mt5", "bart")


def _tokens(bos: str | None, eos: str, pad: str | None, unk: str = "<unk>") -> dict[str, str]:
    given = {"bos_token": bos, "eos_token": eos, "pad_token": pad, "unk_token": unk}
    return {name: token for name, token in given.items() if token is not None}


END = "<|endoftext|>"
QWEN = {
    "named": _tokens(None, "<|im_end|>", END, END), "markers": ("<|im_start|>",), "stops": ("<|im_end|>", END),
}  # fmt: skip
GEMMA = {
    "named": _tokens("<bos>", "<eos>", "<pad>"), "markers": ("<start_of_turn>", "<end_of_turn>"),
    "stops": ("<eos>", "<end_of_turn>"), "around": "<bos> $A",
}  # fmt: skip
T5 = {"named": _tokens(None, "</s>", "<pad>"), "stops": ("</s>",), "around": "$A </s>"}
OLMO_ROLES = ("<|system|>", "<|user|>", "<|assistant|>")  # words of many tokens there, and no special ones
FAMILIES = (
    Family("Qwen2.5", "qwen2", template=QWEN_2_5, **QWEN),
    Family("Qwen3", "qwen3", template=CHATML, **QWEN),
    Family(
        "Llama 3", "llama", _tokens("<|begin_of_text|>", "<|eot_id|>", None, "<|unk|>"), LLAMA_3,
        ("<|start_header_id|>", "<|end_header_id|>", "<|end_of_text|>", "<|eom_id|>"),
        ("<|end_of_text|>", "<|eom_id|>", "<|eot_id|>"), "<|begin_of_text|> $A",
    ),
    Family("Gemma 2", "gemma2", template=GEMMA_2, system=False, **GEMMA),
    Family("Gemma 3", "gemma3_text", template=GEMMA_3, **GEMMA),
    Family(
        "Mistral", "mistral", _tokens("<s>", "</s>", None), MISTRAL, ("[INST]", "[/INST]"), ("</s>",), "<s> $A"
    ),
    Family(
        "Phi-3", "phi3", _tokens("<s>", END, END), PHI_3, ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>"),
        (END, "<|assistant|>", "<|end|>"),
    ),
    Family("OLMo 2", "olmo2", _tokens(END, END, "<|pad|>", END), OLMO_2, stops=(END,), roles=OLMO_ROLES),
    Family("GPT-NeoX", "gpt_neox", _tokens(END, END, None, END), stops=(END,)),
    Family("OPT", "opt", _tokens("</s>", "</s>", "<pad>"), stops=("</s>",), around="</s> $A"),
    Family("T5", "t5", **T5),
    Family("mT5", "mt5", **T5),
    Family(
        "BART", "bart", _tokens("<s>", "</s>", "<pad>"), stops=("</s>",), around="<s> $A </s>", scale=(0.5, 6.0, 1.0)
    ),
)  # fmt: skip


def tokenizer_of(family: Family) -> Any:
    """A word a token, with the family's special tokens and template; of Qwen's own class, which is of bytes."""
    from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast, Qwen2Tokenizer

    special = list(dict.fromkeys([*family.named.values(), *family.markers]))
    named = {"model_max_length": 128, "chat_template": family.template, **family.named}
    if family.kind.startswith("qwen"):
        vocab, merges = _of_letters([*WORDS, *(f" {word}" for word in WORDS)], special)
        made = Qwen2Tokenizer(vocab=vocab, merges=merges, **named)
        made.add_tokens([AddedToken(token, special=True) for token in special])
        return made
    vocab = {word: i for i, word in enumerate([*special, *family.roles, *WORDS])}
    inner = Tokenizer(models.WordLevel(vocab, unk_token=family.named["unk_token"]))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    inner.add_special_tokens([AddedToken(token, special=True) for token in special])
    ends = [(token, vocab[token]) for token in family.around.split() if token != "$A"]
    if ends:
        inner.post_processor = processors.TemplateProcessing(single=family.around, special_tokens=ends)
    return PreTrainedTokenizerFast(tokenizer_object=inner, **named)


def _of_letters(words: list[str], special: list[str]) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Vocabulary and merges of a byte-level tokenizer: special tokens, printable ASCII, and these words."""
    written = [word.replace(" ", "\u0120") for word in words]
    letters = [chr(i) for i in range(33, 127)] + ["\u0120", "\u010a"]  # as it writes space and line feed
    tokens = [*special, *letters, *sorted(written, key=len)]
    merges = [(word[:-1], word[-1]) if len(word) == 2 else (word[0], word[1:]) for word in tokens[-len(words) :]]
    return {token: i for i, token in enumerate(tokens)}, merges


def write(family: Family, directory: Path, dtype: str = "float32") -> None:
    """A directory as the hub has it: weights of this dtype, config.json, generation_config.json and the tokenizer."""
    tokenizer = tokenizer_of(family)
    ids = {f"{name}_id": tokenizer.get_vocab()[token] for name, token in family.named.items() if name != "unk_token"}
    tokens: dict[str, Any] = {"pad_token_id": None, "bos_token_id": None, **ids, "vocab_size": len(tokenizer)}
    if family.seq2seq:
        tokens["decoder_start_token_id"] = ids["eos_token_id" if family.kind == "bart" else "pad_token_id"]
    if family.kind == "bart":
        tokens["forced_eos_token_id"] = ids["eos_token_id"]
    model = tiny_model_of(family.kind, family.seq2seq, tokens)
    stops = [tokenizer.get_vocab()[token] for token in family.stops]
    model.generation_config.eos_token_id = stops if len(stops) > 1 else stops[0]
    make_lively(model, tokenizer(WORDS[5])["input_ids"], family.scale)
    model.to(getattr(torch, dtype)).save_pretrained(directory)
    tokenizer.save_pretrained(directory)


def make_lively(model: Any, prompt: list[int], scale: tuple[float, float, float]) -> None:
    """Draw weights until the greedy text after `prompt` has `N_DISTINCT` tokens, and does not repeat what it reads.

    scale: standard deviation of the embeddings, and of positions and blocks times the root of their width. Mostly the
    blocks outweigh the embeddings, which are the head of many a family.
    """
    embedding, position, block = scale
    embeddings = {id(model.get_input_embeddings().weight), id(model.get_output_embeddings().weight)}
    for seed in range(200):
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if parameter.ndim >= 2:
                    width = parameter.shape[-1] ** 0.5
                    std = embedding if id(parameter) in embeddings else (position if "pos" in name else block) / width
                    parameter.normal_(0.0, std, generator=generator)
        ids = torch.tensor([prompt])
        out = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=12)
        if len(set(out[0, 0 if model.config.is_encoder_decoder else len(prompt) :].tolist())) >= N_DISTINCT:
            return
    raise AssertionError(f"{type(model).__name__}: no seed gives a text of {N_DISTINCT} distinct tokens")
