GRUE = f"{RESULTS}/grue"
_CAPTIONS = {
    "grue.csv": ("table", "Table"),
    "learning_curves.png": ("learning_curves", "Plots"),
    "kl_reward.png": ("kl_reward", "Plots"),
    "summary.png": ("summary", "Plots"),
    "report.html": ("report", "Report"),
}


def reported(file):
    """The file, in Snakemake's own report if it has a caption there."""
    caption, category = _CAPTIONS.get(basename(file), (None, None))
    return report(file, caption=f"../report/{caption}.rst", category=category) if caption else file


rule aggregate:
    input:
        EVALUATED,
        [record_files(*run) for run in RUNS if run.method != "zero_shot"],
    output:
        [reported(file) for file in made("aggregate", GRUE)],
    log:
        log_file("aggregate", "grue"),
    benchmark:
        benchmark_file("aggregate", "grue")
    threads: cores("aggregate")
    resources:
        **reserved("aggregate"),
    params:
        numbers=numbers("aggregate"),
        code=code("aggregate"),
        suite=SUITE,
        runs=lambda w, output: f"{dirname(dirname(output[0]))}/runs",
        scores=lambda w, output: f"{dirname(dirname(output[0]))}/scores",
        out=lambda w, output: dirname(output[0]),
    message:
        "aggregate"
    shell:
        "python -m rl4lms aggregate --suite {params.suite} --runs {params.runs} --scores {params.scores}"
        " --out {params.out} > {log} 2>&1"
