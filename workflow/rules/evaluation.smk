# One job a run: DVC cannot declare the files of all seeds in one stage.
rule evaluate:
    input:
        data=data_files("{task}"),
        base_model=base_model_of,
        model=evaluated_models,
        reward_model=reward_model_of,
        code=code("evaluate"),
    output:
        score_files("{task}", "{method}", "{seed}"),
    log:
        log_file("evaluate", "{task}", "{method}", "seed{seed}"),
    benchmark:
        benchmark_file("evaluate", "{task}", "{method}", "seed{seed}")
    threads: N_THREADS
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        numbers=pick("evaluate"),
        suite=SUITE,
        data=lambda w, input: dirname(input.data[0]),
        base_model=lambda w, input: dirname(input.base_model[0]),
        reward_model=reward_model_option,
        runs=lambda w, output: dirname(dirname(output[0])),
    message:
        "evaluate {wildcards.task} {wildcards.method} seed {wildcards.seed}"
    shell:
        "python -m rl4lms evaluate --suite {params.suite} --task {wildcards.task} --method {wildcards.method}"
        " --seeds {wildcards.seed} --data {params.data} --base-model {params.base_model}"
        "{params.reward_model} --runs {params.runs} > {log} 2>&1"
