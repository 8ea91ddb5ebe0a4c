"""Every command of README.md and docs/ is taken by its program, and is run by a test or said why it is not.

A new command fails `test_every_command_is_accounted_for`: add a line to ACCOUNT. The first whose pattern is all of the
command decides. `by` is a test that runs it or the same with tiny settings, or says why it is only parsed.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .commands import Command, WrongCommand, all_commands, check, commands_of, require_test

ONLY_PARSED = "only parsed: "
TUTORIAL = "tests/docs/test_tutorial.py::test_the_tutorial_as_it_is_typed"
SWEEP = "tests/pipeline/test_sweeps.py::test_the_sweep_is_one_command_and_a_worker_runs_it"
DVC_PAGE = "tests/pipeline/test_docs_commands.py::test_the_dvc_page_works_from_its_beginning_to_its_end"
CLUSTER_PAGE = "tests/pipeline/test_docs_commands.py::test_the_cluster_page_is_planned"
# (pattern of the whole command, by)
OWN_TASK = "tests/docs/test_own_task.py::test_a_task_of_ones_own_goes_through_the_whole_grid"

ACCOUNT = (
    (r"python -m venv \.venv", ONLY_PARSED + "makes an environment"),
    (r"python my_train\.py|cd \.\.", "tests/docs/test_first_hour.py::test_the_script_trains_plots_and_shows"),
    (r"python -m benchmarks\.families.*", "tests/policies/test_family_table.py::test_the_command_prints_a_row"),
    (r"python -m rl4lms init grid|cd grid|mkdir params/suites/first|snakemake .* suite=first", OWN_TASK),
    (r"make env|\. \.venv/bin/activate", ONLY_PARSED + "installs; .ci/run does it on a fresh clone"),
    (r"make (grue|test|times)", ONLY_PARSED + "minutes; .ci/run and the release run them"),
    (r"python scripts/choose_settings.py \w+", "tests/scripts/test_choose_settings.py"),
    (r"make record|make adopt", "tests/pipeline/test_record_adopt.py"),
    (r"make experiments.*|snakemake -n grue_all|git .*", DVC_PAGE),
    (r"dvc (exp apply|metrics diff|plots diff|remote add|push|pull|checkout).*", DVC_PAGE),
    (r"python -m rl4lms crowd .* --task sums .*", OWN_TASK),
    (r"python -m rl4lms crowd .*", "tests/cli/test_documented_commands.py::test_crowd_work"),
    (r"python -m rl4lms verify .*", "tests/cli/test_verify.py"),
    (r"python -m rl4lms pool .*", "tests/results/test_pooled.py"),
    (r"python -m tests\.forgeries", ONLY_PARSED + "minutes; tests/cli/test_verify.py forges less"),
    (r"python -m rl4lms compare .*", "tests/cli/test_documented_commands.py::test_compare"),
    (r"python -m rl4lms plot .*", "tests/results/test_run_figure.py"),
    (r"python scripts/reward-modeling/\w+_sentiment_.*", "tests/scripts/test_reward_modeling.py::test_sentiment"),
    (r"python scripts/reward-modeling/\w+_intent_.*", "tests/scripts/test_reward_modeling.py::test_intent"),
    (r"python scripts/reward-modeling/\w+_preference_.*", "tests/scripts/test_reward_modeling.py::test_preference"),
    (r"python scripts/training/.* configs/published/.* --dry-run", "tests/config/test_paper_configurations.py"),
    (r"python -m rl4lms (prepare|base-model) .* --out results/tutorial/.*", TUTORIAL),
    (r"python docs/examples/tutorial/my_task\.py .*", TUTORIAL),
    (r"(?s)python -c .*results/tutorial/.*", TUTORIAL),
    (r"python -c .*safetensors.*", "tests/metrics/test_preference.py::test_weights_of_a_file"),
    (r"python docs/examples/ppo_single_file\.py.*", "tests/docs/test_ppo_in_one_file.py::test_it_learns_in_seconds"),
    (r"python docs/examples/\w+\.py --config_path docs/examples/\w+\.yml", "tests/cli/test_examples.py::test_example"),
    (r"python docs/examples/smollm2/.*", "tests/cli/test_smollm2.py::test_the_reward_rises"),
    (r"python -m rl4lms reward-model .* results/smollm2/.*", "tests/cli/test_smollm2.py::test_the_reward_rises"),
    (r"python params/tasks/packaged\.py( --out \S+)?", "tests/cli/test_smollm2.py::test_the_reward_rises"),
    (r"make pretrained .*", ONLY_PARSED + "three hours of two cores"),
    (r"python -m rl4lms train --task imdb .*", "tests/pipeline/test_tiny_suite.py::test_it_ends_in_tables"),
    (r"python scripts/synthetic_models\.py", "tests/scripts/test_synthetic_models.py"),
    (r"python scripts/training/.* configs/synthetic/.*", "tests/scripts/test_synthetic_models.py"),
    (r"python scripts/training/.* my\.yml .*", "tests/cli/test_progress_of_a_run.py"),
    (r"make pictures .*", "tests/scripts/test_doc_pictures.py"),
    (r"torchrun .*", "tests/algorithms/test_data_parallel.py::test_the_training_script_under_torchrun"),
    (r"snakemake --cores \d+ grue_all( --config suite=(real|pretrained) .*)?", "tests/pipeline/test_planning.py"),
    (r"snakemake --cores \d+ grue_all --config (tasks|algs|baselines|data_dir)=.*", "tests/pipeline/test_planning.py"),
    (r"snakemake --profile workflow/profiles/(slurm|kubernetes) .*", CLUSTER_PAGE),
    (r"snakemake --unlock", "tests/pipeline/test_interruptions.py"),
    (r"CUDA_VISIBLE_DEVICES=0 snakemake .*", ONLY_PARSED + "a GPU and the model hub"),
    (r"dvc exp run --queue --name clip -S 'params.*|dvc queue (start|status)", SWEEP),
    (r"dvc repro|dvc exp (run|show) .*", "tests/pipeline/test_staleness.py"),
    (r"python -m benchmarks\.decoding.*", "tests/benchmarks/test_decoding.py"),
    (r"python -m benchmarks\.gpu.*", "tests/benchmarks/test_gpu.py"),
    (r"python -m benchmarks\.grids.*", "tests/benchmarks/test_grids.py"),
    (r"python -m benchmarks\.metrics.*", "tests/benchmarks/test_metrics.py"),
    (r"python -m benchmarks\.pools", "tests/benchmarks/test_pools.py"),
    (r"python -m benchmarks\.recomputation.*", ONLY_PARSED + "a model of GPT-2's size; tests/policies has the numbers"),
    (r"python -m benchmarks\.(statistics|vs_rliable).*", "tests/benchmarks/test_statistics.py"),
    (r"python -m benchmarks\.trl_losses.*", "tests/benchmarks/test_vs_trl.py"),
    (
        r"python -m tests\.golden\..*",
        ONLY_PARSED + "the official scorers; tests/metrics/test_golden.py reads what it wrote",
    ),
    (r"python scripts/nltk_wordnet\.py", "tests/scripts/test_nltk_wordnet.py"),
    (r"apt-get install .*", ONLY_PARSED + "Debian's packages"),
    (r"python -m pycocoevalcap\..*", ONLY_PARSED + "downloads 400 MB"),
    (r"python -m benchmarks\.ppo.*", ONLY_PARSED + "minutes of both cores; it is the benchmark"),
    (r"pip install .*", ONLY_PARSED + "a package index"),
)


@pytest.fixture(scope="module")
def commands() -> list[Command]:
    return all_commands()


def account_of(command: Command) -> str | None:
    return next((by for pattern, by in ACCOUNT if re.fullmatch(pattern, command.text)), None)


def test_every_command_is_accounted_for(commands: list[Command]) -> None:
    assert len(commands) > 30
    missing = [str(command) for command in commands if account_of(command) is None]
    assert not missing, "\n".join(["no entry of ACCOUNT for:", *missing])


def test_every_command_is_one_that_its_program_takes(commands: list[Command]) -> None:
    wrong = []
    for command in commands:
        try:
            check(command)
        except WrongCommand as error:
            wrong.append(f"{command}\n    {error}")
    assert not wrong, "\n".join(wrong)


def test_every_test_that_is_named_is_there() -> None:
    for _, by in ACCOUNT:
        if not by.startswith(ONLY_PARSED):
            require_test(by)


def test_no_entry_is_left_over(commands: list[Command]) -> None:
    decided = {next(p for p, _ in ACCOUNT if re.fullmatch(p, c.text)) for c in commands if account_of(c)}
    assert [pattern for pattern, _ in ACCOUNT if pattern not in decided] == []


def page(tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> list[Command]:
    monkeypatch.setattr("tests.docs.commands.ROOT", tmp_path)
    (tmp_path / "page.md").write_text(text)
    return list(commands_of(tmp_path / "page.md"))


def test_commands_are_read_as_a_shell_would(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = """
```sh
make grue   # all of it
python -m rl4lms train --task imdb \\
    --seed 0

cd x && dvc repro; A=1 python -c "print('# no comment')"
python -c "if 1:
    print(2)"
```
    python -m benchmarks.ppo     # indented
    prose that is indented
```python
python = 1
```
"""
    found = page(tmp_path, text, monkeypatch)
    assert [(c.line, c.text) for c in found] == [
        (3, "make grue"),
        (4, "python -m rl4lms train --task imdb --seed 0"),
        (7, "cd x"),
        (7, "dvc repro"),
        (7, "A=1 python -c \"print('# no comment')\""),
        (8, 'python -c "if 1:\n    print(2)"'),
        (11, "python -m benchmarks.ppo"),
    ]
    assert found[4].words == ["python", "-c", "print('# no comment')"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("python -m rl4lms trian --task imdb", "invalid choice"),
        ("python -m rl4lms prepare --task imdb --output x", "unrecognized"),
        ("python scripts/training/train_text_generation.py --yaml my.yml", "required: --config_path|unrecognized"),
        ("python scripts/training/train_text_generation.py --config_path docs/none.yml", "no configuration"),
        ("python scripts/none.py", "no script"),
        ("python scripts/doc_pictures.py results/mini --output x", "unrecognized"),
        ("python -m benchmarks.none", "no module"),
        ("python -m benchmarks.gpu --model gpt5", "invalid choice"),
        ("snakemake --core 8 grue_everything", "ambiguous|no rule|unrecognized"),
        ("snakemake --cores 8 grue_all --config sweet=real", "does not set sweet"),
        ("snakemake --profile workflow/profiles/none grue_all", "no profile"),
        ("dvc exp run -S params/algs/ppo.yaml:args.clip_rage=0.1", "no such parameter"),
        ("dvc exp display", "does not take"),
        ("make everything", "no target"),
        ("make grue SUIT=tiny", "no variable"),
        ("pytest -m slowly tests", "no mark"),
        ("pytest tests/cli/test_main.py::test_none", "no test"),
        ("torchrun --nproc-per-node 2 scripts/training/train_text_generation.py --yaml x", "required|unrecognized"),
        ("pip install -e '.[cloud]'", "no extra"),
        ("curl x", "no check"),
    ],
)
def test_a_wrong_command_is_found(text: str, said: str) -> None:
    with pytest.raises(WrongCommand, match=said):
        check(Command("page.md", 1, text))
