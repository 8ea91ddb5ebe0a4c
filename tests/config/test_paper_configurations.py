"""The published configurations of the suite paper: all there, valid, complete, and as the suite runs them."""

from __future__ import annotations

import inspect
import json
import logging
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from rl4lms.config.arguments import SCHEDULE
from rl4lms.config.compose import compose_rl, compose_supervised, evaluation_generation
from rl4lms.config.params import Params
from rl4lms.config.schema import RunConfig
from rl4lms.config.yaml_file import load_yaml
from rl4lms.core.tables import DataPoolRegistry, MetricRegistry, RewardFunctionRegistry

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / "configs" / "published"
ORIGINALS = ROOT.parent / "shared" / "data" / "rl4lms_configs"  # RL4LMs' own files, as of its commit 97df0bd
FILES = sorted(CONFIGS.glob("*/*.yml"))
NAMES = [f"{path.parent.name}/{path.stem}" for path in FILES]
T5_METHODS = ("t5_nlpo", "t5_nlpo_on_supervised", "t5_ppo", "t5_ppo_on_supervised")
GPT2_METHODS = tuple(name.replace("t5", "gpt2") for name in T5_METHODS)
PUBLISHED = {
    "cnn_dailymail": {*T5_METHODS, "t5_supervised"},
    "common_gen": {*T5_METHODS, "t5_supervised"},
    "daily_dialog": {*GPT2_METHODS, "gpt2_supervised"},
    "dates": {"gpt2_ppo"},
    "imdb": {*GPT2_METHODS, "gpt2_supervised", "gpt2_a2c"},
    "increasing_numbers": {
        *("bart_ppo", "blendorbot_ppo", "gpt2_a2c", "gpt2_nlpo", "gpt2_ppo", "gpt2_trpo", "t5_nlpo", "t5_ppo"),
    },
    "iwslt2017": {*T5_METHODS, "t5_supervised"},
    "narrative_qa": set(T5_METHODS),
    "totto": {*T5_METHODS, "t5_supervised"},
}

# Keys of this project, and published ones whose null or neutral value says "not used".
LEFT_OUT = {
    "seed",
    "n_threads",
    "kernels",
    "env.vec_env",
    "env.n_reward_workers",
    "tokenizer.max_length",
    "tokenizer.chat_template",
    *(
        f"train_evaluation.{key}" for key in ("n_iters", "eval_every", "save_every")
    ),  # of a supervised run, checked below
    *(f"alg.args.{key}" for key in ("gradient_accumulation_steps", "tensorboard_log", "verbose", "device", *SCHEDULE)),
    "alg.args.importance_cap",
    *(f"alg.policy.args.{key}" for key in ("dtype", "lora", "gradient_checkpointing")),
    *(f"generation_kwargs.{key}" for key in ("max_length", "no_repeat_ngram_size", "repetition_penalty")),
    *(f"generation_kwargs.{key}" for key in ("num_beams", "length_penalty", "early_stopping", "post_processing_fn")),
}
SAMPLING = ("temperature", "top_k", "top_p")


def test_all_are_there() -> None:
    assert len(FILES) == 44
    assert {folder.name: {path.stem for path in folder.glob("*.yml")} for folder in CONFIGS.iterdir()} == PUBLISHED


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_a_file_validates_without_a_surprise(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        config = RunConfig.from_file(path)
    assert caplog.messages == [] and config.notices == ()
    assert yaml.safe_load(path.read_text()) == load_yaml(path)
    assert RunConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert config.alg.id == (
        "supervised" if path.stem.endswith("_supervised") and "_on_" not in path.stem else alg(path)
    )


def alg(path: Path) -> str:
    return path.stem.removesuffix("_on_supervised").split("_")[-1]


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_inherited_defaults_are_written_out(path: Path) -> None:
    given = load_yaml(path)
    resolved = flat(RunConfig.from_dict(given).to_dict())
    written = flat(given)
    for key in resolved.keys() - written.keys():
        section, _, name = key.rpartition(".")
        if section.endswith("generation_kwargs"):
            greedy = not resolved[f"{section}.do_sample"]
            assert f"generation_kwargs.{name}" in LEFT_OUT or (greedy and name in SAMPLING), key
        else:
            assert key in LEFT_OUT, key
    if not RunConfig.from_dict(given).is_supervised:
        assert given["alg"]["args"]["minibatch"] == "transitions"
        assert {"n_iters", "eval_every", "save_every"} < given["train_evaluation"].keys()


# Folder of ours -> RL4LMs', where the names differ.
FOLDERS = {
    "cnn_dailymail": "summarization",
    "daily_dialog": "dialog",
    "dates": "synthetic_generate_dates",
    "imdb": "imdb_text_continuation",
    "increasing_numbers": "synthetic_generate_increasing_numbers",
}
ALIASES = {"gpt2": "openai-community/gpt2", "t5-base": "google-t5/t5-base"}
T5_SUPERVISED = [f"{task}/t5_supervised" for task in ("cnn_dailymail", "common_gen", "iwslt2017", "totto")]
# Every value in which a shipped file differs from RL4LMs', and why. key -> (theirs, ours, files or None for any, why)
DELIBERATE: dict[str, tuple[Any, Any, list[str] | None, str]] = {
    "alg.args.minibatch": (
        "episodes", "transitions", None,
        "a key of this project: left out it is `episodes`; what RL4LMs does is `transitions`",
    ),
    "alg.args.verbose": (1, None, None, "of stable-baselines3's printing: it has no effect here"),
    "tokenizer.max_length": (
        None, 512, T5_SUPERVISED, "what is left out is the tokenizer's own limit, and T5's is 512",
    ),
    "alg.training_args.weight_decay": (
        None, 0.0, ["daily_dialog/gpt2_supervised", "imdb/gpt2_supervised"], "the default of transformers, written out",
    ),
}  # fmt: skip


def original(path: Path) -> Path:
    return ORIGINALS / FOLDERS.get(path.parent.name, path.parent.name) / path.name


@pytest.mark.skipif(not ORIGINALS.is_dir(), reason="RL4LMs' own files are not there")
def test_every_original_is_shipped_under_its_name() -> None:
    assert {original(path) for path in FILES} == set(ORIGINALS.glob("*/*.yml"))


@pytest.mark.skipif(not ORIGINALS.is_dir(), reason="RL4LMs' own files are not there")
@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_a_file_has_the_published_values(path: Path) -> None:
    """Both are read, and what either leaves out is filled in, down to the arguments of the classes it names."""
    ours, theirs = resolved(path), resolved(original(path))
    differing = {key: (theirs.get(key), ours.get(key)) for key in ours if ours.get(key) != theirs.get(key)}
    assert theirs.keys() <= ours.keys() | {"alg.args.verbose"}
    name = f"{path.parent.name}/{path.stem}"
    for key, values in differing.items():
        assert values == DELIBERATE[key][:2] and (DELIBERATE[key][2] is None or name in DELIBERATE[key][2]), key


def resolved(path: Path) -> dict[str, Any]:
    """Key -> value, defaults of the schema and of the components' classes included, hub ids by their present names."""
    config = RunConfig.from_file(path).to_dict()
    evaluation = config["train_evaluation"]
    if "policy" in config["alg"]:  # left out, evaluation decodes as the rollouts do
        evaluation.setdefault("generation_kwargs", config["alg"]["policy"]["args"]["generation_kwargs"])
    for name, registry in (("reward_fn", RewardFunctionRegistry), ("datapool", DataPoolRegistry)):
        if name in config:
            config[name] = complete(config[name], registry)
    evaluation["metrics"] = {str(i): complete(m, MetricRegistry) for i, m in enumerate(evaluation["metrics"])}
    config["alg"].get("training_args", {}).setdefault("weight_decay", None)
    config["tokenizer"].setdefault("max_length", None)
    return {key: ALIASES.get(value, value) if isinstance(value, str) else value for key, value in flat(config).items()}


def complete(component: Mapping[str, Any], registry: Any) -> dict[str, Any]:
    """The component with every argument that its class has a default for."""
    entry: Any = registry.table.load(component["id"])
    call: Callable[..., Any] = entry.prepare if registry is DataPoolRegistry else entry
    defaults = {name: p.default for name, p in inspect.signature(call).parameters.items() if p.default is not p.empty}
    return {"id": component["id"], "args": {**defaults, **component["args"]}}


def flat(section: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """Dotted key -> value; a metric counts as one value, an empty mapping as none."""
    found: dict[str, Any] = {}
    for key, value in section.items():
        found |= flat(value, f"{path}{key}.") if isinstance(value, Mapping) else {path + key: value}
    return found


def test_the_script_checks_every_rl_file_in_seconds_without_torch() -> None:
    code = """
import sys
from rl4lms.cli.train_text_generation import main
codes = [main(["--config_path", path, "--dry-run"]) for path in sys.argv[1:]]
print([m for m in ("torch", "transformers", "datasets", "pandas", "pyarrow") if m in sys.modules], set(codes))
"""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-c", code, *(str(path) for path in FILES if RunConfig.from_file(path).env)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "[] {0}", run.stderr
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 5, "CPU seconds, all of them"


# Where the suite composes another value, by key: the runs that it does. docs/configurations.md says why.
RL = ("ppo", "nlpo", "supervised_ppo", "supervised_nlpo")
METEOR_ON_CNN = [f"cnn_dailymail {method}" for method in RL[1:]]
DIFFERENCES: dict[str, list[str]] = {
    # the methods of a task share the kind of its reward
    "reward_fn.id": ["common_gen supervised_ppo", *METEOR_ON_CNN],
    "reward_fn.args.rouge_type": METEOR_ON_CNN,
    "reward_fn.args.shaping_fn": ["common_gen supervised_ppo", "common_gen supervised_nlpo"],
    **{f"reward_fn.args.{key}": ["common_gen supervised_ppo"] for key in ("model_type", "device", "batch_size")},
    # and one evaluation
    "decoding.do_sample": ["common_gen nlpo", "totto supervised"],
    "decoding.num_beams": ["common_gen nlpo", "totto supervised"],
    "decoding.min_length": ["common_gen nlpo"],
    **{f"decoding.{key}": ["common_gen nlpo", "totto supervised"] for key in SAMPLING},
    "train_evaluation.eval_batch_size": [
        *(f"common_gen {method}" for method in RL[1:]),
        *("imdb ppo", "imdb nlpo"),
    ],
    "train_evaluation.eval_every": [f"common_gen {method}" for method in RL[1:]],
    # of no effect: rollouts and evaluation cut a prompt by env.args.prompt_truncation_side
    "tokenizer.truncation_side": [f"{task} {method}" for task in ("common_gen", "cnn_dailymail") for method in RL],
    "alg.policy.args.prompt_truncation_side": ["narrative_qa nlpo", "narrative_qa supervised_nlpo"],
}
# Of the pipeline: where its models lie, what it scores, how often it saves. The rest keeps no more than one checkpoint.
OF_THE_PIPELINE = ("model_name", "metrics", "save_every", "save_total_limit", "optim_args", "data_dir")


def published_runs() -> Iterator[tuple[str, str, Path]]:
    for task in Params.open(ROOT / "params", "paper").grue()["tasks"]:
        for path in sorted((CONFIGS / task).glob("*.yml")):
            name = path.stem.split("_", 1)[1]
            method = f"supervised_{alg(path)}" if name.endswith("on_supervised") else name
            if method != "a2c":  # the suite has no A2C of its own
                yield task, method, path


@pytest.mark.parametrize(
    ("task", "method", "path"), [pytest.param(*run, id=" ".join(run[:2])) for run in published_runs()]
)
def test_the_suite_paper_runs_what_the_file_says(task: str, method: str, path: Path) -> None:
    params = Params.open(ROOT / "params", "paper")
    if method == "supervised":
        composed = compose_supervised(params, task, 0, data_dir="D", model_dir="M")
        composed["alg"]["generation_kwargs"] = evaluation_generation(params.task(task))  # of the stage `evaluate`
    else:
        composed = compose_rl(params, task, method, 0, data_dir="D", model_dir="M", reward_model_dir="R")
    suite, published = comparable(composed), comparable(load_yaml(path))
    differing = {key for key in suite.keys() | published.keys() if suite.get(key) != published.get(key)}
    assert differing == {key for key, runs in DIFFERENCES.items() if f"{task} {method}" in runs}


def comparable(given: Mapping[str, Any]) -> dict[str, Any]:
    """The resolved configuration, flat, without what is the pipeline's; `decoding` is what evaluation decodes with."""
    config = RunConfig.from_dict(given).to_dict()
    section = config["alg"] if "training_args" in config["alg"] else config["train_evaluation"]
    decoding = section.pop("generation_kwargs")
    if not decoding["do_sample"]:
        decoding = {key: value for key, value in decoding.items() if key not in SAMPLING}
    values = flat({**config, "decoding": decoding})
    for of_the_process in ("n_threads", "kernels"):
        values.pop(of_the_process, None)
    if "training_args" not in config["alg"]:
        values.pop("tokenizer.max_length", None)  # of supervised training alone
    rewards_default = {
        "reward_fn.args.shaping_fn": None,
        "reward_fn.args.use_single_ref": True,
        "datapool.args.prompt_suffix": "",
    }
    unset = {**rewards_default, "datapool.args.truncate_article": None}
    return {
        key: value
        for key, value in values.items()
        if key.rpartition(".")[2] not in OF_THE_PIPELINE and not (key in unset and unset[key] == value)
    }


def test_the_index_names_every_file() -> None:
    index = (ROOT / "docs" / "configurations.md").read_text(encoding="utf-8")
    table = [line for line in index.splitlines() if line.endswith(" |") and ".yml` |" in line]
    assert sorted(line.split("`")[1] for line in table) == [f"{name}.yml" for name in NAMES]
