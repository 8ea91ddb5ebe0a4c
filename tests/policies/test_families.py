"""Every family of transformers, tiny and random: it works by the invariances of docs/numerics.md, or is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from benchmarks.tiny_models import tiny_model_of
from rl4lms.core.errors import ConfigError
from rl4lms.evaluation.generation import TextGenerator
from rl4lms.numerics.categorical import action_logprobs, masked_logits
from rl4lms.policies.base import LMActorCriticPolicy
from rl4lms.policies.probe import check_decodes_as_it_scores, check_gives_states
from rl4lms.policies.sequences import Sequences
from rl4lms.policies.truncation import SamplingSpec
from rl4lms.tracking.tracker import Tracker
from rl4lms.training.on_policy import OnPolicyTrainer
from tests.conftest import BOS, EOS, PAD, VOCAB, tiny_model, word_tokenizer
from tests.policies.test_invariances import hidden, logprobs, ragged, sample, scorer_of
from tests.training.test_on_policy import config

CAUSAL = (
    "apertus arcee beam bert biogpt bitnet bloom cohere cohere2 ctrl deepseek_v2 diffllama doge electra ernie4_5 "
    "exaone4 falcon gemma gemma2 gemma3_text glm glm4 gpt2 gpt_bigcode gpt_neox gpt_neox_japanese gpt_oss gptj "
    "granite granitemoe helium hunyuan_v1_dense internlm3 jetmoe lfm2 llama megatron-bert ministral mistral "
    "mixtral modernbert-decoder mpt nanochat nemotron olmo olmo2 olmo3 olmoe opt persimmon phi phi3 phimoe qwen2 "
    "qwen2_moe qwen3 qwen3_moe qwen3_next rembert roformer seed_oss smollm3 stablelm starcoder2 vaultgemma xglm"
).split()
SEQ2SEQ = (
    "bart bigbird_pegasus blenderbot blenderbot-small longt5 m2m_100 marian mbart mt5 mvp pegasus pegasus_x "
    "plbart t5 umt5"
).split()
# Family -> what of the message says why.
REFUSED = {
    "mamba": "its decoding with a cache differs from its full pass",
    "falcon_mamba": "its decoding with a cache differs from its full pass",
    "jamba": "cannot decode with a cache",
    "zamba": "cannot decode with a cache",
    "zamba2": "cannot decode with a cache",
    "minimax": "cannot decode with a cache",
    "openai-gpt": "cannot decode with a cache",
    "xlm": "its numbers change with padding|cannot decode with a cache",
    "xlnet": "cannot score",
    "prophetnet": "cannot score",
    "rwkv": "its numbers change with padding",
    "xlstm": "its numbers change with padding",
    "cpmant": "its numbers change with padding",
    "roberta": "its numbers change with padding",
    "camembert": "its numbers change with padding",
    "switch_transformers": "cannot decode with a cache",
    "nllb-moe": "cannot decode with a cache",
}
QUICK = ("mamba", "openai-gpt", "switch_transformers", "prophetnet")
WITHOUT_STATES = ("fsmt", "llama4_text")
TWO_MODES = ("prophetnet", "switch_transformers", "nllb-moe", "fsmt")  # refused as sequence-to-sequence models

TOKENS = {
    "vocab_size": VOCAB, "pad_token_id": PAD, "bos_token_id": BOS, "eos_token_id": EOS, "decoder_start_token_id": BOS,
}  # fmt: skip


def build(family: str, seq2seq: bool) -> Any:
    return tiny_model_of(family, seq2seq, TOKENS)


def test_enough_families_are_held() -> None:
    assert len({*CAUSAL, *SEQ2SEQ}) >= 75 and not {*CAUSAL, *SEQ2SEQ} & {*REFUSED}


@pytest.mark.slow
@pytest.mark.parametrize("family", [*CAUSAL, *SEQ2SEQ])
@torch.no_grad()
def test_a_family_that_works(family: str) -> None:
    """The probe lets it pass, and padding, neighbours and the cache change nothing."""
    model, s = build(family, family in SEQ2SEQ), ragged()
    check_decodes_as_it_scores(model)
    check_gives_states(model)
    whole, real, n = logprobs(model, s), s.response_mask, s.response_ids.shape[1]
    states = hidden(model, s)
    padding = torch.full((4, 9), PAD)
    none = torch.zeros_like(padding, dtype=torch.bool)
    padded = Sequences(
        torch.cat([padding, s.prompt_ids], 1), torch.cat([none, s.prompt_mask], 1),
        torch.cat([s.response_ids, padding], 1), torch.cat([real, none], 1),
    )  # fmt: skip
    assert_close(logprobs(model, padded)[:, :n][real], whole[real], rtol=0, atol=2e-5)
    assert_close(hidden(model, padded)[:, :n][real], states[:, :n][real], rtol=0, atol=1e-4)
    for i in range(4):
        length = int(real[i].sum())
        alone = s.rows(torch.tensor([i]))
        assert_close(logprobs(model, alone)[0, :length], whole[i, :length], rtol=0, atol=2e-5)
    out = sample(model, s, SamplingSpec(9))
    scored = Sequences(s.prompt_ids, s.prompt_mask, out.response_ids, out.response_mask)
    logits = scorer_of(model).logits(model, scored)[:, : out.response_ids.shape[1]]
    again = action_logprobs(masked_logits(logits, None), out.response_ids)[out.response_mask]
    assert_close(again, out.raw_logprobs[out.response_mask], rtol=0, atol=1e-4)


@pytest.mark.parametrize("family", [pytest.param(f, marks=() if f in QUICK else pytest.mark.slow) for f in REFUSED])
def test_a_family_that_does_not_is_refused_in_one_line(family: str) -> None:
    model = build(family, family in TWO_MODES)
    before = torch.get_rng_state()
    with pytest.raises(ConfigError, match=rf'a model of type "{family}" is not supported: it[s]? .*') as caught:
        check_decodes_as_it_scores(model)
    message = str(caught.value)
    assert any(why in message for why in REFUSED[family].split("|")), message
    assert "\n" not in message and len(message) < 500
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(ConfigError, match="is not supported"):
        TextGenerator(model, word_tokenizer(), generation={"max_new_tokens": 2}, max_prompt_length=4, batch_size=2)


@pytest.mark.slow
@pytest.mark.parametrize("family", WITHOUT_STATES)
def test_a_family_without_states_can_be_evaluated_and_share_its_trunk(family: str) -> None:
    model = build(family, family in TWO_MODES)
    check_decodes_as_it_scores(model)
    with pytest.raises(ConfigError, match="it cannot be a separate value model"):
        check_gives_states(model)


def test_a_run_is_refused_before_its_first_rollout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build("openai-gpt", False).save_pretrained(tmp_path)
    word_tokenizer().save_pretrained(tmp_path)
    monkeypatch.setattr(LMActorCriticPolicy, "_build_models", None)
    with pytest.raises(
        ConfigError, match=rf'model {tmp_path}: a model of type "openai-gpt" is not supported: it cannot'
    ):
        OnPolicyTrainer(config(tmp_path), tmp_path / "out", Tracker(tmp_path / "out", quiet=True))


@pytest.mark.parametrize("family", ["gpt2", "llama", "t5", "bart"])
def test_what_the_probe_tells_apart(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A position more, or a cache that forgets a token, in a model that was never trained; bfloat16 passes."""
    from rl4lms.policies import language_models, sessions

    plain = tiny_model(family, scale=1.0)
    check_decodes_as_it_scores(plain)
    check_decodes_as_it_scores(tiny_model(family).bfloat16())
    shifted = tiny_model(family, scale=1.0)
    with monkeypatch.context() as patch:
        patch.setattr(language_models, "mask_or_none", lambda mask: None)
        with pytest.raises(ConfigError, match="its numbers change with padding"):
            check_decodes_as_it_scores(shifted)
    session = sessions.Seq2SeqSession if shifted.config.is_encoder_decoder else sessions.CausalSession
    original = session.step
    with monkeypatch.context() as patch:
        patch.setattr(session, "step", lambda self, tokens: original(self, tokens.roll(1)))
        with pytest.raises(ConfigError, match="its decoding with a cache differs from its full pass"):
            check_decodes_as_it_scores(shifted)


def test_several_stop_tokens_in_a_models_own_configuration_are_no_obstacle():
    """Llama 3's and Gemma's config.json have a list."""
    model = tiny_model("llama")
    model.config.eos_token_id = [2, 5]
    check_decodes_as_it_scores(model)


def test_weights_that_are_not_finite_are_said_to_be():
    model = tiny_model("gpt2")
    torch.nn.init.constant_(model.transformer.ln_f.weight, float("nan"))
    with pytest.raises(ConfigError, match="its logits are not finite"):
        check_decodes_as_it_scores(model)
