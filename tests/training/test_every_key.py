"""Every key of the published schema's on-policy sections is executed by a run, with a value that is not its default."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rl4lms.config.arguments import SCHEDULE, MaskablePolicyArguments
from rl4lms.config.generation import SAMPLING, GenerationConfig
from rl4lms.config.reader import hints
from rl4lms.config.schema import RunConfig
from rl4lms.config.sections import EnvArguments, EnvConfig, KLConfig, TokenizerConfig, TrainEvaluationConfig
from rl4lms.core.tables import PostProcessorRegistry
from tests.training.test_on_policy import config, run

STOPS = ["w7 w8", "w50"]
TOKENS = {
    "eos_token_id": [2, 9], "pad_token_id": 3, "forced_bos_token_id": 33, "forced_eos_token_id": [34],
    "suppress_tokens": [40], "begin_suppress_tokens": [41], "bad_words_ids": [[42], [43, 44]],
}  # fmt: skip
CAUSAL: dict[str, Any] = {
    "tokenizer": {"padding_side": "right", "truncation_side": "right", "pad_token_as_eos_token": False,
                  "max_length": 9, "trust_remote_code": False, "chat_template": "none"},
    "env": {"n_envs": 3, "n_reward_workers": 2, "reward_timeout_s": 300},
    "env.args": {"max_prompt_length": 1, "max_episode_length": 7, "terminate_on_eos": False, "priority_scale": 0.5,
                 "context_start_token": 1, "prompt_truncation_side": "right"},
    "args": {"lr_scheduler_type": "linear", "warmup_steps": 1, "importance_cap": 2.0},
    "kl_div": {"coeff": 0.3, "target_kl": 0.2, "norm_reward": True},
    "policy": {"weight_decay": 0.1, "apply_model_parallel": False, "prompt_truncation_side": "right",
               "value_model": "shared", "dtype": "bfloat16", "optimizer_kwargs": {"eps": 1e-6},
               "trust_remote_code": False, "gradient_checkpointing": True},
    "rollout": {"do_sample": True, "temperature": 0.8, "top_k": 9, "top_p": 0.9, "min_length": 2, "max_new_tokens": 5,
                **TOKENS},
    "evaluation": {"do_sample": True, "temperature": 0.7, "top_k": 8, "top_p": 0.8, "min_length": 1,
                   "max_new_tokens": 4, "no_repeat_ngram_size": 2, "repetition_penalty": 1.2,
                   "post_processing_fn": {"id": "shout_in_a_run"}},
    "train_evaluation": {"eval_batch_size": 3, "n_iters": 3, "eval_every": 1, "save_every": 7,
                         "keep_best": {"metric": "rollout/ep_rew_mean"}, "max_samples": {"val": 5, "test": 4},
                         "early_stopping": {"metric": "synthetic/increasing_numbers_in_text", "mode": "min",
                                            "patience": 2, "min_delta": 1e6}},
}  # fmt: skip
SEQ2SEQ: dict[str, Any] = {
    "env": {"vec_env": "subproc"},
    "args": {"lr_scheduler_type": "cosine", "warmup_ratio": 0.5},
    "policy": {"lora": {"r": 2, "target_modules": "all-linear"}},
    "rollout": {"do_sample": True, "decoder_start_token_id": 5, "max_length": 6},
    "evaluation": {"num_beams": 3, "length_penalty": 2.0, "early_stopping": True, "max_length": 5},
    "train_evaluation": {"n_iters": 2, "total_tokens": 5},
}
MASKED: dict[str, Any] = {
    "policy": {"top_mask": 0.9, "mask_type": "learned_top_p", "target_update_iterations": 1, "min_tokens_to_keep": 3},
    "rollout": {"do_sample": True, "forced_bos_token_id": 33, "eos_token_id": [9], "stop_strings": STOPS},
    "train_evaluation": {"n_iters": 1},
}
RUNS = {"causal": ("gpt2", CAUSAL), "seq2seq": ("t5", SEQ2SEQ), "masked": ("gpt2", MASKED)}


def test_no_key_is_left_out():
    """A key that the schema gains must be given to a run here; those of the base configuration are run by all."""
    given: dict[str, set[str]] = {}
    for _, sections in RUNS.values():
        for section, keys in sections.items():
            given.setdefault(section, set()).update(keys)
    base = {"model_name", "args", "metrics", "generation_kwargs"}
    assert given["tokenizer"] | base >= set(hints(TokenizerConfig))
    assert given["env"] | base >= set(hints(EnvConfig))
    assert given["env.args"] >= set(hints(EnvArguments))
    assert given["args"] >= {"importance_cap", *SCHEDULE}, "other arguments are those of the algorithms' own tests"
    assert given["kl_div"] >= set(hints(KLConfig))
    assert given["policy"] | base >= set(hints(MaskablePolicyArguments))
    assert given["train_evaluation"] | base >= set(hints(TrainEvaluationConfig))
    assert given["rollout"] | {"post_processing_fn"} >= set(SAMPLING), "the last is read by evaluation only"
    assert given["rollout"] | given["evaluation"] >= set(hints(GenerationConfig))


def build(model: Path, family: str, sections: dict[str, Any]) -> RunConfig:
    value = config(model, family, n_iters=1).to_dict()
    value["tokenizer"] |= sections.get("tokenizer", {})
    value["env"] |= sections.get("env", {})
    value["env"]["args"] |= sections.get("env.args", {})
    value["alg"]["kl_div"] |= sections.get("kl_div", {})
    value["alg"]["args"] |= {"n_steps": 10, **sections.get("args", {})}
    value["alg"]["policy"]["args"] |= {**sections["policy"], "generation_kwargs": sections["rollout"]}
    value["train_evaluation"] |= sections["train_evaluation"]
    if "evaluation" in sections:
        value["train_evaluation"]["generation_kwargs"] = sections["evaluation"]
    if "top_mask" in sections["policy"]:
        value["alg"]["id"], value["alg"]["policy"]["id"] = "nlpo", f"maskable_{value['alg']['policy']['id']}"
    return RunConfig.from_dict(value)


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_every_key_is_executed(model_dir, tmp_path, name):
    family, sections = RUNS[name]
    if "lora" in sections["policy"]:
        pytest.importorskip("peft")
    PostProcessorRegistry.add("shout_in_a_run", str.upper)
    run(tmp_path, build(model_dir(family), family, sections))
    resolved = json.loads((tmp_path / "config.json").read_text())
    rollout = resolved["alg"]["policy"]["args"]["generation_kwargs"]
    evaluation = resolved["train_evaluation"].get("generation_kwargs", rollout)
    info = json.loads((tmp_path / "rollout_info.jsonl").read_text().splitlines()[0])
    updates = [json.loads(line) for line in (tmp_path / "training_info.jsonl").read_text().splitlines()]
    rates = [update["train/learning_rate"] for update in updates]
    rows = json.loads((tmp_path / "epoch_1_val_split_predictions.json").read_text())
    texts = [row["generated_text"] for row in rows]
    assert RunConfig.from_file(tmp_path / "config.json").to_dict() == resolved
    if name == "causal":
        assert rollout["eos_token_id"] == evaluation["eos_token_id"] == [2, 9], "one set of token facts a run"
        assert info["rollout/ep_len_mean"] == 5, "max_new_tokens is obeyed in rollouts"
        assert info["rollout/n_steps"] == 30
        assert (tmp_path / "best_model").is_dir()
        assert rates == pytest.approx([1e-3, 1e-3, 5e-4]), (
            "the first iteration is warmup, and the third the patience's end"
        )
        drawn = json.loads((tmp_path / "evaluation_samples.json").read_text())
        assert drawn["val"]["ids"] == [row["sample_id"] for row in rows] and len(rows) == 5
        assert drawn["test"]["of"] == 12 and len(drawn["test"]["index"]) == 4
        for words in map(str.split, texts):
            assert words[0] == "W33" and len(words) <= 4 and not {"W40", "W42", "W9"} & set(words)
            assert len(words) < 4 or words[-1] == "W34", "forced where a text fills its length"
    elif name == "seq2seq":
        assert rollout["max_new_tokens"] == 5 and evaluation["max_new_tokens"] == 4
        assert rates == pytest.approx([1e-3]), "the only iteration spends the tokens, so it ends the warmup"
        adapter = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
        assert {"q", "k", "v", "o", "wi", "wo"} == {name.rpartition(".")[2] for name in adapter["target_modules"]}
        assert all(len(text.split()) <= 4 for text in texts)
        saved = json.loads((tmp_path / "model" / "config.json").read_text())
        assert rollout["decoder_start_token_id"] == saved["decoder_start_token_id"] == 5
    else:
        assert all(text.split()[0] == "w33" and "w9" not in text.split() for text in texts)
        assert evaluation["stop_strings"] == STOPS and not any(stop in text for stop in STOPS for text in texts)
