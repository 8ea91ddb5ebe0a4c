GRUE = f"{RESULTS}/grue"


rule aggregate:
    input:
        EVALUATED,
        [record_files(*run) for run in TRAINED_RUNS],
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
