rule supervised:
    input:
        data=data_files("{task}"),
        model=base_model_of,
    output:
        records=record_files("{task}", "supervised", "{seed}"),
        model=model_files("{task}", "supervised", "{seed}"),
    log:
        log_file("supervised", "{task}", "seed{seed}"),
    benchmark:
        benchmark_file("supervised", "{task}", "seed{seed}")
    threads: cores("supervised")
    resources:
        **reserved("supervised"),
    params:
        numbers=numbers("supervised"),
        code=code("supervised"),
        suite=SUITE,
        data=lambda w, input: dirname(input.data[0]),
        model=lambda w, input: dirname(input.model[0]),
        out=lambda w, output: dirname(output.records[0]),
    message:
        "supervised {wildcards.task} seed {wildcards.seed}"
    shell:
        "python -m rl4lms supervised --suite {params.suite} --task {wildcards.task} --method supervised"
        " --seed {wildcards.seed} --data {params.data} --model {params.model} --out {params.out} > {log} 2>&1"


rule train:
    input:
        data=data_files("{task}"),
        model=starting_model,
        reward_model=reward_model_of,
    output:
        records=record_files("{task}", "{method}", "{seed}"),
        model=model_files("{task}", "{method}", "{seed}"),
    log:
        log_file("train", "{task}", "{method}", "seed{seed}"),
    benchmark:
        benchmark_file("train", "{task}", "{method}", "seed{seed}")
    wildcard_constraints:
        method=one_of(RL_METHODS),
    threads: cores("train")
    resources:
        **reserved("train"),
    params:
        numbers=numbers("train"),
        code=code("train"),
        suite=SUITE,
        data=lambda w, input: dirname(input.data[0]),
        model=lambda w, input: dirname(input.model[0]),
        reward_model=reward_model_option,
        out=lambda w, output: dirname(output.records[0]),
    message:
        "train {wildcards.task} {wildcards.method} seed {wildcards.seed}"
    shell:
        "python -m rl4lms train --suite {params.suite} --task {wildcards.task} --method {wildcards.method}"
        " --seed {wildcards.seed} --data {params.data} --model {params.model}{params.reward_model}"
        " --out {params.out} > {log} 2>&1"
