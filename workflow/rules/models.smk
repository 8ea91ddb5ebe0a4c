rule base_model:
    input:
        data=lambda w: [f for task in PARAMS.base_model(w.family)["tasks"] for f in data_files(task)],
    output:
        base_model_files("{family}"),
    log:
        log_file("base-model", "{family}"),
    benchmark:
        benchmark_file("base-model", "{family}")
    threads: cores("base_model")
    resources:
        **reserved("base_model"),
    params:
        numbers=numbers("base-model"),
        code=code("base-model"),
        suite=SUITE,
        data=lambda w, input: dirname(dirname(input.data[0])),
        out=lambda w, output: dirname(output[0]),
    message:
        "base model {wildcards.family}"
    shell:
        "python -m rl4lms base-model --suite {params.suite} --family {wildcards.family}"
        " --data {params.data} --out {params.out} > {log} 2>&1"


rule reward_model:
    input:
        data=lambda w: data_files(PARAMS.reward_model(w.name)["task"]),
    output:
        reward_model_files("{name}"),
    log:
        log_file("reward-model", "{name}"),
    benchmark:
        benchmark_file("reward-model", "{name}")
    threads: cores("reward_model")
    resources:
        **reserved("reward_model"),
    params:
        numbers=numbers("reward-model"),
        code=code("reward-model"),
        suite=SUITE,
        data=lambda w, input: dirname(input.data[0]),
        out=lambda w, output: dirname(output[0]),
    message:
        "reward model {wildcards.name}"
    shell:
        "python -m rl4lms reward-model --suite {params.suite} --name {wildcards.name}"
        " --data {params.data} --out {params.out} > {log} 2>&1"
