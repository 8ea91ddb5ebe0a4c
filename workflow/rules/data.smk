rule prepare:
    input:
        rows=lambda w: ROWS[w.task],
    output:
        data_files("{task}"),
    log:
        log_file("prepare", "{task}"),
    benchmark:
        benchmark_file("prepare", "{task}")
    wildcard_constraints:
        task=one_of(PREPARED),
    threads: cores("prepare")
    resources:
        **reserved("prepare"),
    params:
        numbers=numbers("prepare"),
        code=code("prepare"),
        suite=SUITE,
        source=lambda w: f"--data-dir {quote(own_data(w.task))} " if own_data(w.task) else "",
        out=lambda w, output: dirname(output[0]),
    message:
        "prepare {wildcards.task}"
    shell:
        "python -m rl4lms prepare --suite {params.suite} --task {wildcards.task} {params.source}--out {params.out}"
        " > {log} 2>&1"
