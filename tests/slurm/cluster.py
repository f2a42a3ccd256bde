"""A real SLURM of two simulated nodes on the loopback interface, for as long as standard input stays open.

``python cluster.py`` prints one line of JSON with ``SLURM_CONF`` when both nodes are idle. When its standard input is
closed, also because the process at the other end was killed, it kills every process that came from it (daemons, steps
and jobs) and removes its folder.
"""

import ctypes
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

NODES = ("127.0.0.1", "127.0.0.2")
"""Lightning takes MASTER_ADDR from the first node's name, which therefore has to resolve."""
DAEMONS = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol", "squeue", "sinfo", "srun")
CPUS = 4
STARTUP_SECONDS = 60
_PR_SET_CHILD_SUBREAPER = 36

CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
FirstJobId={first_job}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_interval=1,batch_sched_delay=1
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/none
ReturnToService=2
MinJobAge=3600
KillWait=5
SlurmdParameters=config_overrides
NodeName=127.0.0.[1-2] NodeHostname={host} NodeAddr=127.0.0.1 Port={ports} CPUs={cpus} RealMemory=4000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
PartitionName=held Nodes=ALL MaxTime=INFINITE State=DOWN
"""


def missing() -> str:
    """Why no SLURM can be started here; empty if one can."""
    if os.geteuid() != 0:
        return "a SLURM of one's own needs root"
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    absent = [name for name in DAEMONS if shutil.which(name, path=path) is None]
    return f"SLURM is not installed: no {', '.join(absent)} (apt-get install slurm-wlm munge)" if absent else ""


def free_ports(count: int) -> int:
    """The first of ``count`` consecutive ports that nobody listens on."""
    while True:
        first = random.randint(20_000, 28_000)
        sockets = [socket.socket() for _ in range(count)]
        try:
            for offset, each in enumerate(sockets):
                each.bind(("127.0.0.1", first + offset))
            return first
        except OSError:
            continue
        finally:
            for each in sockets:
                each.close()


def start(folder: Path) -> Path:
    """Start the daemons; returns the path of slurm.conf."""
    for name in ("state", "log", *(f"spool-{node}" for node in NODES)):
        (folder / name).mkdir()
    folder.chmod(0o755)  # munged's socket is reached through it
    port = free_ports(1 + len(NODES))
    file = folder / "slurm.conf"
    file.write_text(
        CONFIGURATION.format(
            host=socket.gethostname().split(".")[0], port=port, ports=f"[{port + 1}-{port + len(NODES)}]",
            folder=folder, cpus=CPUS, first_job=random.randint(1000, 9000),
        )
    )  # fmt: skip
    key = folder / "munge.key"
    key.touch(mode=0o400)
    key.write_bytes(os.urandom(128))
    files = {"key": key, "seed": "munge.seed", "pid": "munged.pid", "log": "log/munged.log"}
    options = [f"--{name}-file={folder / file}" for name, file in files.items()]
    run("munged", "--force", "--num-threads=2", f"--socket={folder}/munge.socket", *options)
    os.environ["SLURM_CONF"] = str(file)
    run("slurmctld", "-f", str(file))
    for node in NODES:
        run("slurmd", "-N", node, "-f", str(file))
    return file


def run(*command: str) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def wait_until_idle(folder: Path) -> None:
    deadline = time.monotonic() + STARTUP_SECONDS
    while time.monotonic() < deadline:
        answer = subprocess.run(["sinfo", "-h", "-N", "-p", "main", "-o", "%T"], capture_output=True, text=True)
        if answer.stdout.split() == ["idle"] * len(NODES):
            return
        time.sleep(0.2)
    logs = "\n".join(f"{log.name}: {log.read_text()[-1000:]}" for log in sorted((folder / "log").iterdir()))
    raise SystemExit(f"SLURM did not come up within {STARTUP_SECONDS} s\n{answer.stdout}{answer.stderr}\n{logs}")


def end_descendants() -> None:
    """Kill what came from this process; orphans come back to it, so that none gets away."""
    while children := psutil.Process().children(recursive=True):
        for child in children:
            child.kill()
        psutil.wait_procs(children, timeout=5)


def main() -> None:
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    folder = Path(tempfile.mkdtemp(prefix="normfree-slurm-"))
    try:
        file = start(folder)
        wait_until_idle(folder)
        print(json.dumps({"SLURM_CONF": str(file)}), flush=True)
        sys.stdin.read()
    finally:
        end_descendants()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
