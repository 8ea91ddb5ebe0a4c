"""What Snakemake would do, as JSON: python snakemake_plan.py OUT [CONFIG], in a checkout.

OUT: a list of jobs, each {rule, command, log, inputs, outputs, numbers, code, threads, resources, due};
resources: of the first attempts, in order. CONFIG: the --config items as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from snakemake.api import SnakemakeApi
from snakemake.settings.types import ConfigSettings, DAGSettings, OutputSettings, Quietness, ResourceSettings


def main(out: str, config: str = "{}") -> None:
    with SnakemakeApi(OutputSettings(dryrun=True, quiet={Quietness.ALL})) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=64),
            config_settings=ConfigSettings(config=json.loads(config)),
            snakefile=Path("Snakefile"),
        )
        workflow.dag(dag_settings=DAGSettings(targets={"grue_all"})).printrulegraph()  # builds the DAG, runs nothing
        dag = workflow._workflow.dag
        jobs = [
            {
                "rule": job.rule.name,
                "command": job.shellcmd.partition(" > ")[0],
                "log": job.shellcmd.partition(" > ")[2],
                "inputs": [str(file) for file in job.input],
                "outputs": [str(file) for file in job.output],
                "numbers": json.loads(job.params.numbers),
                "code": job.params.code,
                "threads": job.threads,
                "resources": [attempt_resources(job, attempt) for attempt in (1, 2, 3)],
                "due": bool(dag.reason(job)),
            }
            for job in dag.jobs
            if job.shellcmd
        ]
    Path(out).write_text(json.dumps(jobs))


def attempt_resources(job: Any, attempt: int) -> dict[str, Any]:
    """What the job reserves at its n-th attempt, without what Snakemake adds by itself."""
    job.attempt = attempt
    job.reset_params_and_resources()
    return {name: value for name, value in job.resources.items() if name in ("mem_mb", "runtime", "gpu")}


if __name__ == "__main__":
    main(*sys.argv[1:])
