"""The training command on ppo.yml (or any file after --config_path), then what the run did and cost.

python docs/examples/smollm2/train.py --experiment_name smollm2
"""

from __future__ import annotations

import sys
from pathlib import Path

from rl4lms.cli.main import cost
from rl4lms.cli.train_text_generation import build_parser, main
from rl4lms.core.io import read_jsonl

CONFIG = Path(__file__).with_name("ppo.yml")
SCORE = "semantic/learned_automodel_metric"


def table(run_dir: Path) -> str:
    """Reward, KL (nats a token) and time of every iteration; the score of the held-out prompts before and after."""
    lines = [f"{'iteration':>9} {'reward':>7} {'KL':>7} {'CPU s':>6}"]
    seconds = {row["iteration"]: row["time/iteration_cpu_s"] for row in read_jsonl(run_dir / "timing.jsonl")}
    for row in read_jsonl(run_dir / "rollout_info.jsonl"):
        k = row["iteration"]
        lines.append(f"{k:>9} {row['rollout/ep_rew_mean']:>7.3f} {row['rollout/kl_mean']:>7.4f} {seconds[k]:>6.1f}")
    for split in ("val", "test"):
        rows = read_jsonl(run_dir / f"{split}_split_metrics.jsonl")
        lines.append(f"{split}: " + " -> ".join(f"{row['metrics'][SCORE]:.3f}" for row in rows))
    return "\n".join(lines)


def run(arguments: list[str]) -> int:
    given = arguments if "--config_path" in arguments else ["--config_path", str(CONFIG), *arguments]
    status = main(given)
    args = build_parser().parse_args(given)
    if status == 0 and not args.dry_run:
        print(table(args.base_path_to_store_results / args.project_name / args.experiment_name))
        print(cost())
    return status


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
