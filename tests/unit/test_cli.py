"""The command line says what Python says, and ends bad input with a message."""

import json
import subprocess
import sys

import pytest

from edgelib.cli import main
from edgelib.metrics import predict

GOOD = ["predict", "--model", "llama-2-7b", "--on", "M1-7c/GPU", "--weights", "q4_0"]


def test_predict_as_json(capsys):
    assert main([*GOOD, "--kv", "q8_0", "--prompt", "1000", "--generate", "64", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    estimate = predict("llama-2-7b", "M1-7c/GPU", weights="q4_0", kv="q8_0", prompt=1000, generate=64)
    assert report["decode_tok_s"] == estimate.decode_tok_s
    assert report["prefill_tok_s"] == estimate.prefill_tok_s
    assert report["ttft_s"] == estimate.ttft_s
    assert report["memory_B"] == estimate.memory_B
    assert report["bottleneck"] == "memory"
    assert report["energy_J_per_token"]["dram"] > report["energy_J_per_token"]["compute"] > 0
    low, high = report["interval80"]["decode_tok_s"]
    assert low < report["decode_tok_s"] < high


def test_an_unpublished_figure_is_null(capsys):
    arguments = ["predict", "--model", "llama-2-7b", "--on", "M5-10c/GPU"]
    assert main([*arguments, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["prefill_tok_s"] is None and report["interval80"]["prefill_tok_s"] is None
    assert report["decode_tok_s"] > 0
    assert main(arguments) == 0
    assert "prefill_tok_s: rests on an unpublished figure" in capsys.readouterr().out


def test_predict_for_people_shows_the_tree(capsys):
    assert main(GOOD) == 0
    text = capsys.readouterr().out
    assert "batch / decode_s" in text and "68.0 GB/s" in text and "memory: weights 3.83 GB" in text


@pytest.mark.parametrize(
    "arguments",
    [
        ["predict", "--model", "llama", "--on", "M1-7c/GPU"],
        [*GOOD, "--prompt", "0"],
        [*GOOD, "--runtime", "magic"],
        [*GOOD, "--kv", "f12"],
    ],
)
def test_bad_input_is_a_message_and_status_2(arguments, capsys):
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("edgelib: ") and "Traceback" not in error


def test_the_module_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "edgelib", "--help"], capture_output=True, text=True, check=True
    )
    assert "predict" in done.stdout and "validate" in done.stdout


def test_exercises_are_fresh(capsys):
    assert main(["exercises", "build", "--check"]) == 0
    capsys.readouterr()
    assert main(["exercises", "build", "--check", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"stale": []}


def test_threads_and_runtime(capsys):
    pi = ["predict", "--model", "llama-3.2-3b", "--on", "RPi5/CPU", "--weights", "q4_0", "--json"]
    assert main([*pi, "--threads", "1", "--runtime", "llama.cpp"]) == 0
    one = json.loads(capsys.readouterr().out)["decode_tok_s"]
    assert (
        one
        == predict("llama-3.2-3b", "RPi5/CPU", weights="q4_0", threads=1, runtime="llama.cpp").decode_tok_s
    )
    assert main([*GOOD, "--runtime", "llama.cpp", "--json"]) == 0


def test_check_runs_a_notebook(capsys):
    assert main(["check", "exercises/ex2.ipynb", "--json"]) == 0
    assert {r["status"] for r in json.loads(capsys.readouterr().out)} == {"not attempted"}
    assert main(["check", "nowhere.ipynb"]) == 2
