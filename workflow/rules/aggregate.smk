GRUE = f"{RESULTS}/grue"


rule aggregate:
    input:
        EVALUATED,
        [record_files(*run) for run in RUNS if run.method != "zero_shot"],
        code=code("aggregate"),
    output:
        f"{GRUE}/metrics.json",
        f"{GRUE}/scores.csv",
        f"{GRUE}/curves.csv",
        f"{GRUE}/significance.csv",
        report(f"{GRUE}/grue.csv", caption="../report/table.rst", category="Table"),
        f"{GRUE}/grue.md",
        f"{GRUE}/grue.tex",
        report(f"{GRUE}/learning_curves.png", caption="../report/learning_curves.rst", category="Plots"),
        report(f"{GRUE}/kl_reward.png", caption="../report/kl_reward.rst", category="Plots"),
        report(f"{GRUE}/summary.png", caption="../report/summary.rst", category="Plots"),
        report(f"{GRUE}/report.html", caption="../report/report.rst", category="Report"),
    log:
        log_file("aggregate", "grue"),
    benchmark:
        benchmark_file("aggregate", "grue")
    threads: cores("aggregate")
    resources:
        **reserved("aggregate"),
    params:
        numbers=pick("aggregate"),
        suite=SUITE,
        runs=lambda w, output: f"{dirname(dirname(output[0]))}/runs",
        scores=lambda w, output: f"{dirname(dirname(output[0]))}/scores",
        out=lambda w, output: dirname(output[0]),
    message:
        "aggregate"
    shell:
        "python -m rl4lms aggregate --suite {params.suite} --runs {params.runs} --scores {params.scores}"
        " --out {params.out} > {log} 2>&1"
