# One job scores one run, so that a result depends on nothing but itself: with more or fewer seeds asked for, what is
# scored stays.
rule evaluate:
    input:
        data=data_files("{task}"),
        base_model=base_model_of,
        run=evaluated_run,
        reward_model=reward_model_of,
    output:
        score_files("{task}", "{method}", "{seed}"),
    log:
        log_file("evaluate", "{task}", "{method}", "seed{seed}"),
    benchmark:
        benchmark_file("evaluate", "{task}", "{method}", "seed{seed}")
    threads: cores("evaluate")
    resources:
        **reserved("evaluate"),
    params:
        numbers=numbers("evaluate"),
        code=code("evaluate"),
        suite=SUITE,
        data=lambda w, input: dirname(input.data[0]),
        base_model=lambda w, input: dirname(input.base_model[0]),
        reward_model=reward_model_option,
        run=lambda w: run_dir(w.task, run_of(w.method), w.seed),
        out=lambda w, output: dirname(output[0]),
    message:
        "evaluate {wildcards.task} {wildcards.method} seed {wildcards.seed}"
    shell:
        "python -m rl4lms evaluate --suite {params.suite} --task {wildcards.task} --method {wildcards.method}"
        " --seed {wildcards.seed} --data {params.data} --base-model {params.base_model}{params.reward_model}"
        " --run {params.run} --out {params.out} > {log} 2>&1"
