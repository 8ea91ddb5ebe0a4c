"""What people read in tables and plots in place of ids; an id without a label stands for itself."""

from __future__ import annotations

from collections.abc import Iterable

from rl4lms.config.compose import BEST_OF_N, SUPERVISED, ZERO_SHOT, algorithm_of, starting_point
from rl4lms.core.result_keys import BASE_PERPLEXITY, KL_PER_SEQUENCE, KL_PER_TOKEN, REWARD, TOKENS
from rl4lms.core.tables import TASKS

# Algorithms by what their advantages are estimated with, in the order in which tables and plots show them.
FAMILIES = {
    "With a critic": {"ppo": "PPO", "nlpo": "NLPO", "a2c": "A2C", "trpo": "TRPO"},
    "With groups": {
        "grpo": "GRPO",
        "dr_grpo": "Dr.GRPO",
        "rloo": "RLOO",
        "dapo": "DAPO",
        "gspo": "GSPO",
        "cispo": "CISPO",
    },
    "Others": {
        "reinforce": "REINFORCE",
        "reinforce_pp": "REINFORCE++",
        "remax": "ReMax",
        "raft": "RAFT",
        "dpo": "DPO",
    },
}
STATISTICS = {"iqm": "Interquartile mean ↑", "mean": "Mean ↑", "median": "Median of tasks ↑", "rank": "Mean rank ↓"}
_ALGORITHMS = {name: label for family in FAMILIES.values() for name, label in family.items()}
_BASELINES = {ZERO_SHOT: "Zero-shot", SUPERVISED: "Supervised", BEST_OF_N: "Best of n"}
_METRICS = {
    "semantic/learned_automodel_metric": "Sentiment score",
    "intent/accuracy": "Intent accuracy",
    "fluency_metrics/perplexity": "Perplexity",
    "table_to_text/parent_overall_f_score": "PARENT F",
    "lexical/rouge_rouge1": "ROUGE-1",
    "lexical/rouge_rouge2": "ROUGE-2",
    "lexical/rouge_rougeL": "ROUGE-L",
    "lexical/rouge_rougeLsum": "ROUGE-Lsum",
    "lexical/rouge_l_max": "ROUGE-L max",
    "lexical/meteor": "METEOR",
    "lexical/bleu": "BLEU",
    "lexical/sacrebleu": "sacreBLEU",
    "lexical/ter": "TER",
    "lexical/chrf": "chrF",
    "diversity_metrics/msttr-100": "MSTTR-100",
    "diversity_metrics/distinct-1": "Distinct-1",
    "diversity_metrics/distinct-2": "Distinct-2",
    REWARD: "Reward",
    KL_PER_TOKEN: "KL per token",
    KL_PER_SEQUENCE: "KL per sequence",
    TOKENS: "Tokens generated to choose from",
    BASE_PERPLEXITY: "Base model's held-out perplexity",
}


def task_label(task: str) -> str:
    return str(TASKS.load(task).label) if task in TASKS else task


def metric_label(key: str) -> str:
    own = (TASKS.load(task).bounds for task in TASKS.ids() if key not in _METRICS and not TASKS.is_shipped(task))
    return _METRICS.get(key) or next((str(bounds[key].label) for bounds in own if key in bounds), key)


def method_label(method: str) -> str:
    """zero_shot -> Zero-shot, supervised_ppo -> Supervised + PPO."""
    algorithm = algorithm_of(method)
    if algorithm is None:
        return _BASELINES[method]
    name = _ALGORITHMS.get(algorithm, algorithm)
    return f"Supervised + {name}" if starting_point(method) == SUPERVISED else name


def family_of(algorithm: str) -> str:
    """The family that an algorithm is shown with; one of the user's is among the others."""
    return next((family for family, names in FAMILIES.items() if algorithm in names), [*FAMILIES][-1])


def families(methods: Iterable[str]) -> dict[str, list[str]]:
    """Family -> its methods among these, from the base model and from the warm start; without those that have none."""
    by_family: dict[str, list[str]] = {family: [] for family in FAMILIES}
    for method in methods:
        if (algorithm := algorithm_of(method)) is not None:
            by_family[family_of(algorithm)].append(method)
    return {family: members for family, members in by_family.items() if members}


def in_order(algorithms: Iterable[str]) -> list[str]:
    """Families one after the other, each with the user's own algorithms last."""
    known = list(_ALGORITHMS)
    return sorted(algorithms, key=lambda name: known.index(name) if name in known else len(known))


def arrow(higher_is_better: bool | None) -> str:
    """Which way is better, for a table's head."""
    return {True: "↑", False: "↓", None: ""}[higher_is_better]
