"""``python -m benches.peers``: compare encoders in one run and print the tables."""

from __future__ import annotations

import argparse
import json
import re
import sys
from contextlib import ExitStack
from pathlib import Path

from benches.peers import report
from benches.peers.files import Files, prepare
from benches.peers.process import (
    ROOT,
    Spec,
    Worker,
    WorkerAbsentError,
    WorkerFailedError,
    busy_and_total_s,
)
from benches.peers.rounds import fidelity, measure
from benches.peers.texts import MIXED_BATCHES, MIXED_TEXTS, make_workload
from openviking.errors import OpenVikingError

TORCH = "sentence-transformers fp32"


def main() -> int:
    """Run the comparison; 0 if every encoder that ran computes the same model."""
    arguments = _arguments()
    try:
        files = prepare(arguments.source, arguments.work)
        specs = [spec for spec in _specs(arguments, files) if _is_wanted(spec, arguments.only)]
        run = _run(specs, files, arguments)
    except (OpenVikingError, WorkerFailedError) as error:
        raise SystemExit(str(error)) from error
    print(report.as_text(run))
    if arguments.json:
        arguments.json.write_text(json.dumps(report.as_json(run), indent=1) + "\n", "utf-8")
    return 0 if all(found.is_same_model for found in run.findings) else 1


def _run(specs: list[Spec], files: Files, arguments: argparse.Namespace) -> report.Run:
    workload = make_workload(ROOT, files.peers / "tokenizer.json")
    with ExitStack() as stack:
        workers, absent = _start(specs, arguments, stack)
        if not workers:
            reasons = "".join(f"\n{name}: {reason}" for name, reason in absent.items())
            raise SystemExit(f"no encoder can run{reasons or '; --only names none'}")
        reference = next((item for item in workers if item.spec.name == TORCH), None)
        reference = reference or next(
            (item for item in workers if item.spec.options.get("precision") in ("fp32", "f32")),
            workers[0],
        )
        cosines = fidelity(workers, workload, reference)
        busy_before, total_before = busy_and_total_s()
        own_before = sum(worker.cpu_s() for worker in workers)
        samples = measure(workers, workload, arguments.rounds, _show)
        busy, total = busy_and_total_s()
        own = sum(worker.cpu_s() for worker in workers) - own_before
        return report.Run(
            findings=[
                report.finding(worker, cosines[worker.spec.name], samples[worker.spec.name])
                for worker in workers
            ],
            absent=absent,
            reference=reference.spec.name,
            threads=arguments.threads,
            rounds=arguments.rounds,
            other_load=max(0.0, (busy - busy_before - own) / (total - total_before)),
            mixed_tokens_mean=workload.mixed_tokens / (MIXED_BATCHES * MIXED_TEXTS),
        )


def _start(
    specs: list[Spec], arguments: argparse.Namespace, stack: ExitStack
) -> tuple[list[Worker], dict[str, str]]:
    """Start what can be started; return the workers and why the others are absent."""
    workers, absent = [], {}
    for spec in specs:
        _show(f"loading {spec.name}")
        log = arguments.work / "logs" / f"{re.sub('[^a-z0-9]+', '-', spec.name.lower())}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        try:
            # Twice: the first start reads the files from disk and may convert them, the second is
            # the one whose time is reported.
            Worker(spec, arguments.threads, log).close()
            workers.append(stack.enter_context(Worker(spec, arguments.threads, log)))
        except WorkerAbsentError as reason:
            absent[spec.name] = f"{reason}; {spec.install}" if spec.install else str(reason)
        except WorkerFailedError as reason:
            absent[spec.name] = f"failed: {reason}; its log is {log.relative_to(ROOT)}"
    return workers, absent


def _specs(arguments: argparse.Namespace, files: Files) -> list[Spec]:
    """All encoders; the first that can run is the one that the others are compared with."""
    ours = [
        Spec(
            f"openviking {precision} {kernels}",
            "ours",
            {"precision": precision, "kernels": kernels, "model_dir": str(files.builds)},
            sys.executable,
            "",
        )
        for precision, kernels in (("int8", "native"), ("int8", "ort"), ("fp32", "ort"))
    ]
    python, folder = str(arguments.peers_python), str(files.peers)
    torch = "install it with `make peers TORCH=1`"
    plain = "install it with `make peers`"
    variants = [("bf16", "bf16", 1), ("fp32", "f32", 1)]
    if arguments.threads > 1:
        variants.insert(1, ("bf16, a stream a thread", "bf16", arguments.threads))
    openvino = [
        Spec(
            f"OpenVINO {name}",
            "openvino",
            {"precision": precision, "streams": streams, "model_dir": folder},
            python,
            plain,
        )
        for name, precision, streams in variants
    ]
    return [
        *ours,
        *openvino,
        Spec("fastembed fp32", "fastembed", {"model_dir": folder}, python, plain),
        Spec(TORCH, "sentence-transformers", {"model_dir": folder}, python, torch),
    ]


def _is_wanted(spec: Spec, only: str | None) -> bool:
    return only is None or any(
        part.strip().lower() in spec.name.lower() for part in only.split(",")
    )


def _show(text: str) -> None:
    print(text, file=sys.stderr)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not at least 1")
    return number


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benches.peers", description=__doc__)
    add = parser.add_argument
    add("--rounds", type=_positive, default=8, help="rounds to measure; about half a minute each")
    add("--threads", type=_positive, default=2, help="threads of every encoder")
    add("--only", help="comma-separated parts of names, e.g. 'openviking,fastembed'")
    add("--json", type=Path, help="also write every figure to this file")
    add("--source", type=Path, help="folder of the published model; fetched if not given")
    add("--work", type=Path, default=ROOT / "build/peers", help="folder for models and logs")
    add(
        "--peers-python",
        type=Path,
        default=ROOT / ".venv-peers/bin/python",
        help="interpreter of the environment that has the peers",
    )
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
