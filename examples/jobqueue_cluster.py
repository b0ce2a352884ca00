"""Workers from a batch queue for `histoquant run --scheduler`.

python examples/jobqueue_cluster.py --queue slurm --jobs 8 --cores 16 --memory 32GB --walltime 12:00:00

Needs `pip install histoquant[cluster]` and certificates in the Dask configuration (docs/cluster.md). Prints
the address to be given to --scheduler and keeps the workers until Ctrl-C.
"""

from __future__ import annotations

import argparse
import importlib
import signal
import socket
import sys
from typing import Any

ONE_THREAD = ("export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1",)
QUEUES = {"slurm": "SLURM", "pbs": "PBS", "lsf": "LSF", "sge": "SGE"}


def cluster_class(queue: str) -> Any:
    """The class of dask-jobqueue for a queue; ``local`` starts plain processes."""
    if queue == "local":
        return importlib.import_module("dask_jobqueue.local").LocalCluster
    return getattr(importlib.import_module("dask_jobqueue"), f"{QUEUES[queue]}Cluster")


def start(arguments: argparse.Namespace) -> Any:
    """A scheduler on this machine that takes TLS only, and no worker yet."""
    from distributed.security import Security

    security = Security(require_encryption=True)
    if security.get_connection_args("client")["ssl_context"] is None:
        sys.exit("No certificates in the Dask configuration (distributed.comm.tls). See docs/cluster.md.")
    return cluster_class(arguments.queue)(
        cores=arguments.cores,
        processes=arguments.cores,  # one thread each: Python code holds its lock
        memory=arguments.memory,
        walltime=arguments.walltime,
        security=security,
        protocol="tls://",
        scheduler_options={"host": arguments.host, "dashboard_address": "127.0.0.1:0"},
        # the queue of plain processes takes one command and no shell
        job_script_prologue=[] if arguments.queue == "local" else list(ONE_THREAD),
        # --no-dashboard alone leaves its server on every interface
        worker_extra_args=["--no-dashboard", "--dashboard-address", "127.0.0.1:0"],
        log_directory=arguments.logs,
    )


def main() -> None:
    """Start, say where, and wait."""
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parser.add_argument("--queue", choices=[*QUEUES, "local"], default="slurm")
    parser.add_argument("--jobs", type=int, default=1, help="jobs to ask for")
    parser.add_argument("--cores", type=int, default=8, help="cores, and worker processes, per job")
    parser.add_argument("--memory", default="16GB", help="per job; 2 GB per core is enough")
    parser.add_argument("--walltime", default="12:00:00")
    parser.add_argument("--host", default=socket.gethostname(), help="address of this machine to listen at")
    parser.add_argument("--logs", default=None, help="folder for the queue's logs")
    parser.add_argument("--show", action="store_true", help="print the job script and ask for nothing")
    arguments = parser.parse_args()
    with start(arguments) as cluster:
        if arguments.show:
            print(cluster.job_script())
            return
        cluster.scale(jobs=arguments.jobs)
        print(f"histoquant run SLIDES -o OUT --scheduler {cluster.scheduler_address}", flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            print("ending the workers", file=sys.stderr)


if __name__ == "__main__":
    main()
