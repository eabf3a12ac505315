"""The command line: `edgelib predict | validate | probe | exercises | check | grade`; each takes --json."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from edgelib.errors import UnknownFigure
from edgelib.units import si


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; bad input ends with a message and exit status 2."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except (ValueError, OSError) as error:
        print(f"edgelib: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="edgelib", description="LLM inference at the edge, computed.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    predict = commands.add_parser("predict", help="what a model costs on one compute unit")
    predict.add_argument("--model", required=True, help="a model of the catalogue, such as llama-2-7b")
    predict.add_argument("--on", required=True, help="a compute unit of the catalogue, such as RPi5/CPU")
    predict.add_argument("--weights", default="f16", help="weight format (default: f16)")
    predict.add_argument("--kv", default="f16", help="format of keys and values (default: f16)")
    predict.add_argument("--prompt", type=int, default=512, help="prompt tokens (default: 512)")
    predict.add_argument("--generate", type=int, default=128, help="generated tokens (default: 128)")
    predict.add_argument("--threads", type=int, help="threads of a CPU (default: its performance cores)")
    predict.add_argument(
        "--runtime", default="typical", help="typical (default), ideal (the bound), llama.cpp, ..."
    )
    predict.set_defaults(run=_predict)

    validate = commands.add_parser("validate", help="predictions against published measurements")
    for name in ("measurements", "devices", "models"):
        validate.add_argument(f"--{name}", type=Path, help="CSV file (default: the catalogue's own)")
    validate.set_defaults(run=_validate)

    probe = commands.add_parser("probe", help="measure this machine: read bandwidth, arithmetic, cores")
    probe.set_defaults(run=_probe)

    exercises = commands.add_parser("exercises", help="generate the exercise notebooks, or export them")
    exercises.add_argument("action", choices=["build", "nbgrader"])
    exercises.add_argument("--check", action="store_true", help="build: only list what is stale")
    exercises.add_argument("--out", type=Path, help="nbgrader: the course's folder of source assignments")
    exercises.add_argument("--secret-file", type=Path, help="nbgrader: the course's secret")
    exercises.set_defaults(run=_exercises, parser=exercises)

    check = commands.add_parser("check", help="run an exercise notebook against its public checks")
    check.add_argument("notebook", type=Path)
    check.set_defaults(run=_check)

    grade = commands.add_parser("grade", help="grade FOLDER/<student>/exN.ipynb, each in a sandbox")
    grade.add_argument("folder", type=Path, nargs="?", metavar="FOLDER")
    grade.add_argument("--secret-file", type=Path, help="the course's secret, at least 16 random bytes")
    grade.add_argument("--out", type=Path, default=Path("grades.csv"), help="the table of marks")
    grade.add_argument("-j", dest="processes", type=int, default=1, metavar="N", help="submissions at a time")
    grade.add_argument("--scheduler", metavar="ADDRESS", help="a dask.distributed scheduler to grade on")
    grade.add_argument("--exercises", metavar="exN,exM", help="the exercises that count; all if not given")
    grade.add_argument("--explain", metavar="STUDENT", help="print why this student has these marks")
    grade.add_argument("--self-test", action="store_true", help="see whether grading is safe on this machine")
    grade.set_defaults(run=_grade, parser=grade)

    for command in (predict, validate, probe, exercises, check, grade):
        command.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _predict(arguments: argparse.Namespace) -> int:
    from edgelib.metrics import predict
    from edgelib.metrics.energy import energy_per_token

    estimate = predict(
        arguments.model,
        arguments.on,
        weights=arguments.weights,
        kv=arguments.kv,
        prompt=arguments.prompt,
        generate=arguments.generate,
        threads=arguments.threads,
        runtime=arguments.runtime,
    )

    def known(read: Callable[..., Any], *arguments: Any) -> Any:
        """None where a value rests on an unpublished figure."""
        try:
            return read(*arguments)
        except UnknownFigure:
            return None

    rates = ("decode_tok_s", "prefill_tok_s", "ttft_s")
    energy = known(energy_per_token, estimate)
    report = {
        **{name: known(estimate.value, name) for name in rates},
        "memory_B": estimate.memory_B,
        "energy_J_per_token": energy,
        "bottleneck": known(lambda: estimate.bottleneck),
        "interval80": {name: known(estimate.interval, name) for name in rates},
    }
    if arguments.json:
        print(json.dumps(report))
        return 0
    for name in rates:
        unknown = f"{name}: rests on an unpublished figure"
        print(unknown if report[name] is None else estimate.explain(name))
    parts = ", ".join(f"{name} {si(size, 'B')}" for name, size in estimate.memory_B.items())
    print(f"memory: {parts}")
    if energy:
        joules = ", ".join(f"{name} {si(value, 'J')}" for name, value in energy.items() if value)
        print(f"energy per token, data and arithmetic only: {joules}")
    print(f"bottleneck: {report['bottleneck']}")
    return 0


def _validate(arguments: argparse.Namespace) -> int:
    from edgelib.metrics.validate import PHASES, validate

    report = validate(arguments.measurements, arguments.devices, arguments.models)
    if arguments.json:
        print(json.dumps(report))
        return 0
    for phase in PHASES:
        for kind, scores in report[phase].items():
            row = "  ".join(f"{name} {value}" for name, value in scores.items())
            print(f"{phase:<8}{kind:<5}{row}")
    for why, count in report["left_out"].items():
        print(f"left out: {count} rows, {why}")
    return 0


def _probe(arguments: argparse.Namespace) -> int:
    from edgelib.hardware import probe

    return probe.main(arguments.json)


def _exercises(arguments: argparse.Namespace) -> int:
    from edgelib.grading import build, nbgrader
    from edgelib.grading.classroom import read_secret

    if arguments.action == "nbgrader":
        if arguments.out is None or arguments.secret_file is None:
            arguments.parser.error("nbgrader: --out and --secret-file are required")
        paths = [str(path) for path in nbgrader.export(arguments.out, read_secret(arguments.secret_file))]
        print(json.dumps({"written": paths}) if arguments.json else "\n".join(f"wrote {p}" for p in paths))
        return 0
    if arguments.json:
        stale = build.build(arguments.check)
        print(json.dumps({"stale" if arguments.check else "built": [str(path) for path in stale]}))
        return int(arguments.check and bool(stale))
    return build.main(arguments.check)


def _check(arguments: argparse.Namespace) -> int:
    from edgelib.exercises.notebook import check_notebook

    results = check_notebook(arguments.notebook)
    if arguments.json:
        print(json.dumps([result.as_dict() for result in results]))
    else:
        print("\n".join(map(str, results)))
    return 0


def _grade(arguments: argparse.Namespace) -> int:
    from edgelib.grading import command

    if arguments.self_test:
        return command.run_self_test(arguments.json)
    if arguments.folder is None or arguments.secret_file is None:
        arguments.parser.error("FOLDER and --secret-file are required (or --self-test)")
    return command.run(
        arguments.folder,
        arguments.secret_file,
        arguments.out,
        arguments.processes,
        arguments.scheduler,
        arguments.explain,
        arguments.exercises,
        arguments.json,
    )


if __name__ == "__main__":
    sys.exit(main())
