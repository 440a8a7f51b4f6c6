#!/usr/bin/env python3
"""Transformers as ONNX Runtime's optimiser and its quantisers leave them, small and with random weights, against ONNX Runtime.

Exits 0 where all agree, 1 where any differs, 77 where packages are missing (onnxruntime, onnx, torch, transformers).
"""

import logging
import os
import pathlib
import subprocess
import sys
import tempfile
import warnings

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("TENON_PROGRAM", str(ROOT / "build/release/tenon"))

try:
    import numpy as np
    import onnx
    import onnxruntime
    import torch
    import transformers
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.transformers import optimizer
except ImportError as missing:
    print(f"left out: {missing}; pip install onnxruntime onnx torch transformers sympy")
    sys.exit(77)

HEADS, WIDTH = 4, 64
ENCODER = {"hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": HEADS, "intermediate_size": 128}
TEXT = {"vocab_size": 96}
# Family: the kind that the optimiser knows, what the configuration takes, whether inputs are tokens.
FAMILIES = {
    "Bert": ("bert", ENCODER | TEXT, True),
    "Roberta": ("bert", ENCODER | TEXT, True),
    "Albert": ("bert", ENCODER | TEXT | {"embedding_size": 32}, True),
    "DistilBert": ("bert", TEXT | {"dim": WIDTH, "n_layers": 2, "n_heads": HEADS, "hidden_dim": 128}, True),
    "GPT2": ("gpt2", TEXT | {"n_embd": WIDTH, "n_layer": 2, "n_head": HEADS}, True),
    "CLIPText": ("clip", ENCODER | TEXT, True),
    "ViT": ("vit", ENCODER | {"image_size": 32, "patch_size": 8}, False),
}


class Wrapped(torch.nn.Module):
    def __init__(self, model, is_text):
        super().__init__()
        self.model, self.is_text = model, is_text

    def forward(self, x, mask=None):
        return self.model(input_ids=x, attention_mask=mask)[0] if self.is_text else self.model(x)[0]


def export(family, path):
    """Writes the model as its exporter leaves it; its inputs."""
    _, arguments, is_text = FAMILIES[family]
    torch.manual_seed(1)
    model = getattr(transformers, family + "Model")(getattr(transformers, family + "Config")(**arguments)).eval()
    model.config.use_cache = False
    names = ["x", "mask"] if is_text else ["x"]
    given = (torch.randint(3, 90, (2, 9)), torch.ones(2, 9, dtype=torch.int64)) if is_text else (torch.randn(1, 3, 32, 32),)
    axes = {name: {0: "batch", 1: "length"} for name in names} if is_text else {}
    with torch.no_grad():
        torch.onnx.export(
            Wrapped(model, is_text),
            given,
            str(path),
            dynamo=False,
            opset_version=17,
            input_names=names,
            output_names=["y"],
            dynamic_axes=axes,
        )
    feed = dict(zip(names, (t.numpy().copy() for t in given)))
    if is_text:
        feed["mask"][1, 6:] = 0
    return feed


def difference(path, feed, bound, folder):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    wanted = {i.name for i in session.get_inputs()}
    feed = {name: value for name, value in feed.items() if name in wanted}
    np.savez(folder / "in.npz", **feed)
    command = [PROGRAM, "run", path, "--inputs", folder / "in.npz", "--outputs", folder / "out.npz"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode:
        return done.stderr.strip().replace("\n", " / ")
    got = np.load(folder / "out.npz")["y"]
    want = session.run(["y"], feed)[0]
    error = float(np.abs(got - want).max()) / float(np.abs(want).max())
    return "" if got.shape == want.shape and error < bound else f"differs by {error:.1e} of its range"


def forms(family, folder):
    """Name, path, bound: of each form that could be made."""
    kind, _, _ = FAMILIES[family]
    plain = folder / "plain.onnx"

    def optimised(name, halves):
        path = folder / name
        model = optimizer.optimize_model(str(plain), model_type=kind, num_heads=HEADS, hidden_size=WIDTH, opt_level=0)
        if halves:
            model.convert_float_to_float16(keep_io_types=True)
        model.save_model_to_file(str(path))
        return path

    yield "as exported", lambda: plain, 1e-3
    yield "optimised", lambda: optimised("o.onnx", False), 2e-3
    yield "optimised, float16", lambda: optimised("h.onnx", True), 3e-2

    def quantised():
        # The quantiser cannot infer the types behind operators that are not the standard's.
        options = {"DefaultTensorType": onnx.TensorProto.FLOAT}
        source, path = str(optimised("o.onnx", False)), str(folder / "q.onnx")
        quantize_dynamic(source, path, weight_type=QuantType.QInt8, extra_options=options)
        return folder / "q.onnx"

    yield "optimised, dynamic int8", quantised, 5e-2


def main():
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    onnxruntime.set_default_logger_severity(4)
    counts = {"agree": 0, "DIFFER": 0, "skipped": 0}
    for family in FAMILIES:
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            feed = export(family, folder / "plain.onnx")
            for form, make, bound in forms(family, folder):
                try:
                    path = make()
                except Exception as error:  # pylint: disable=broad-except
                    state, wrong = "skipped", str(error).splitlines()[0][:100]
                else:
                    wrong = difference(path, feed, bound, folder)
                    state = "DIFFER" if wrong else "agree"
                counts[state] += 1
                print(f"{state:8} {family:12} {form:24} {wrong}", flush=True)
    print(", ".join(f"{n} {word}" for word, n in counts.items()))
    return 1 if counts["DIFFER"] else 0 if counts["agree"] else 77


if __name__ == "__main__":
    sys.exit(main())
