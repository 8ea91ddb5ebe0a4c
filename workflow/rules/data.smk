rule prepare:
    input:
        local_rows,
        code=code("prepare"),
    output:
        data_files("{task}"),
    log:
        log_file("prepare", "{task}"),
    benchmark:
        benchmark_file("prepare", "{task}")
    threads: cores("prepare")
    resources:
        **reserved("prepare"),
    params:
        numbers=pick("prepare"),
        suite=SUITE,
        source=f"--data-dir {quote(config['data_dir'])} " if config["data_dir"] else "",
        out=lambda w, output: dirname(output[0]),
    message:
        "prepare {wildcards.task}"
    shell:
        "python -m rl4lms prepare --suite {params.suite} --task {wildcards.task} {params.source}--out {params.out}"
        " > {log} 2>&1"
