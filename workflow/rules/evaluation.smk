# One job scores a method's runs of all seeds: most of a small evaluation is the start of its process.
rule evaluate:
    input:
        data=data_files("{task}"),
        base_model=base_model_of,
        runs=evaluated_runs,
        reward_model=reward_model_of,
        code=code("evaluate"),
    output:
        score_files("{task}", "{method}"),
    log:
        log_file("evaluate", "{task}", "{method}"),
    benchmark:
        benchmark_file("evaluate", "{task}", "{method}")
    threads: cores("evaluate")
    resources:
        **reserved("evaluate"),
    params:
        numbers=pick("evaluate"),
        suite=SUITE,
        data=lambda w, input: dirname(input.data[0]),
        base_model=lambda w, input: dirname(input.base_model[0]),
        reward_model=reward_model_option,
        runs=lambda w: dirname(run_dir(w.task, w.method, 0)),
        seeds=f" --seeds {' '.join(map(str, SEEDS))}" if "seeds" in OVERRIDES else "",
        out=lambda w, output: dirname(dirname(output[0])),
    message:
        "evaluate {wildcards.task} {wildcards.method}"
    shell:
        "python -m rl4lms evaluate --suite {params.suite} --task {wildcards.task} --method {wildcards.method}"
        "{params.seeds} --data {params.data} --base-model {params.base_model}{params.reward_model}"
        " --runs {params.runs} --out {params.out} > {log} 2>&1"
