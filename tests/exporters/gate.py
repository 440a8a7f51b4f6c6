#!/usr/bin/env python3
"""`tenon check` as a gate: every step of every model against its reference, and the outputs against the whole model.

  gate.py [--only WORD] [--models] [--exports] [--shared DIR]

Checks the models at hand (DIR/models; the default DIR is $TENON_SHARED or ../shared) and what torch, torchvision, timm and
transformers export, whose own answers are compared too. Without an option it does both; what needs packages that are not
installed is left out, with a word. Exits 0 where all agree, 1 where any differs, 77 where there was nothing to check.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import warnings

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("TENON_PROGRAM", str(ROOT / "build/release/tenon"))
SECONDS = 900  # for one model


def tenon(*arguments):
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=SECONDS)


def complaint(report):
    """What differs, of the JSON of `tenon check`; empty where nothing does."""
    for step in report["steps"]:
        if not step["ok"]:
            return f"{step['op']} -> {step['output']} by {step['kernel']}: {step['of_range']:.1e} of the range"
    for output in report["outputs"]:
        if not output["ok"]:
            return f"output {output['name']}: {output['reason']}"
    return "" if report["ok"] else "the report is not ok"


def check(path, *options):
    try:
        done = tenon("check", path, "--json", *options)
    except subprocess.TimeoutExpired:
        return f"takes more than {SECONDS} s"
    if done.returncode not in (0, 1):
        return done.stderr.strip().replace("\n", " / ")
    return complaint(json.loads(done.stdout))


# Sizes that a model at hand needs, where a size of 1 is too small for its windows.
SIZES = {
    "encoder_model.onnx": ["num_samples=4000"],
    "melspectrogram.onnx": ["samples=4000"],
    "ch_PP-OCRv4_rec_infer.onnx": ["p2o.DynamicDimension.1=64"],
    "ch_ppocr_mobile_v2.0_cls_infer.onnx": ["p2o.DynamicDimension.1=48", "p2o.DynamicDimension.2=96"],
    "silero_vad.onnx": ["input.1=256"],  # a random rate is not 16000, so that of 8000 is meant
    "silero_vad_op18_ifless.onnx": ["sequence=512"],
    "TinyTimeMixer.onnx": ["sequence_length=512"],
}


def models_at_hand(shared):
    for path in sorted(pathlib.Path(shared, "models").rglob("*.onnx")):
        options = ["--random", "7"]
        for size in SIZES.get(path.name, []):
            options += ["--set-dim", size]
        yield str(path.relative_to(pathlib.Path(shared, "models"))), lambda p=path, o=options: check(p, *o)


def flatten(answer):
    if isinstance(answer, (tuple, list)):
        return [t for part in answer for t in flatten(part)]
    return [answer.detach().numpy()]


def worst(got, expected):
    import numpy as np

    if got.shape != expected.shape:
        return f"{got.shape}, PyTorch gives {expected.shape}"
    if not np.issubdtype(expected.dtype, np.floating):
        return "" if np.array_equal(got, expected) else "integers differ from PyTorch's"
    scale = max(float(np.abs(expected).max(initial=0)), 1e-30)
    error = float(np.abs(got.astype(np.float64) - expected).max(initial=0)) / scale
    return "" if error < 1e-3 else f"{error:.1e} of the range from PyTorch's answer"


def export_and_check(make, folder):
    import numpy as np
    import torch

    torch.manual_seed(7)
    model, inputs = make()
    model = model.eval()
    path, given, answers = folder / "model.onnx", folder / "in.npz", folder / "out.npz"
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            expected = flatten(model(*inputs))
            torch.onnx.export(model, inputs, str(path), dynamo=True, verbose=False)
    except Exception as error:  # pylint: disable=broad-except
        return f"SKIP PyTorch does not export it: {str(error).splitlines()[0][:100]}"
    names = [port["name"] for port in json.loads(tenon("inspect", path, "--json").stdout or '{"inputs": []}')["inputs"]]
    if len(names) != len(inputs):
        done = tenon("inspect", path)
        return done.stderr.strip().replace("\n", " / ") or f"it has the inputs {names}"
    np.savez(given, **{name: t.numpy() for name, t in zip(names, inputs)})
    wrong = check(path, "--inputs", given)
    if wrong:
        return wrong
    done = tenon("run", path, "--inputs", given, "--outputs", answers)
    if done.returncode:
        return done.stderr.strip().replace("\n", " / ")
    got = list(np.load(answers).values())
    for a, b in zip(got, expected):
        if worst(a, b):
            return worst(a, b)
    return "" if len(got) == len(expected) else f"{len(got)} outputs, PyTorch gives {len(expected)}"


def exports():
    sys.path.insert(0, str(ROOT / "tests/exporters"))
    try:
        from exports import all_exports
    except ImportError as missing:
        print(f"exports are left out: {missing}; pip install torch torchvision timm transformers onnx onnxscript")
        return
    for name, make in all_exports():

        def run(make=make):
            with tempfile.TemporaryDirectory() as folder:
                return export_and_check(make, pathlib.Path(folder))

        yield name, run


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="only those whose name holds this word")
    parser.add_argument("--models", action="store_true", help="the models at hand alone")
    parser.add_argument("--exports", action="store_true", help="the exports alone")
    parser.add_argument("--shared", default=os.environ.get("TENON_SHARED", str(ROOT / "../shared")))
    options = parser.parse_args()
    both = options.models == options.exports
    cases = []
    if options.models or both:
        cases += models_at_hand(options.shared)
    if options.exports or both:
        cases += exports()
    counts = {"agree": 0, "DIFFER": 0, "skipped": 0}
    for name, run in cases:
        if options.only not in name:
            continue
        started = time.time()
        wrong = run()
        state = "agree" if not wrong else "skipped" if wrong.startswith("SKIP ") else "DIFFER"
        counts[state] += 1
        print(f"{state:8} {time.time() - started:6.1f} s  {name:40} {wrong.removeprefix('SKIP ')}", flush=True)
    print(", ".join(f"{n} {word}" for word, n in counts.items()))
    if counts["DIFFER"]:
        return 1
    return 0 if counts["agree"] else 77


if __name__ == "__main__":
    sys.exit(main())
