#!/usr/bin/env python3
"""Decoders made by the model builder of ONNX Runtime GenAI, small and with random weights, against ONNX Runtime: a prompt, then a step
with caches, for one sequence and for two.

Exits 0 where all agree, 1 where any differs, 77 where packages are missing (onnxruntime-genai, torch, transformers).
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("TENON_PROGRAM", str(ROOT / "build/release/tenon"))

try:
    import numpy as np
    import onnx
    import onnxruntime
    import onnxruntime_genai  # noqa: F401
    import tokenizers
    import torch
    import transformers
except ImportError as missing:
    print(f"left out: {missing}; pip install onnxruntime-genai onnxruntime onnx torch transformers")
    sys.exit(77)

COMMON = {
    "vocab_size": 96,
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "max_position_embeddings": 128,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
FAMILIES = {
    "Llama": {"num_key_value_heads": 2},
    "Qwen2": {"num_key_value_heads": 2},
    "Mistral": {"num_key_value_heads": 2, "sliding_window": 8},
    "Qwen3": {"num_key_value_heads": 2, "head_dim": 16},
}
# The execution provider decides which operators the builder writes; cuda is how it writes f16.
FORMS = {
    "fp32": (["-p", "fp32", "-e", "cpu"], 1e-3),
    "fp16": (["-p", "fp16", "-e", "cuda"], 2e-2),
    # ONNX Runtime rounds activations to eight bits here.
    "int4, blocks of 32": (["-p", "int4", "-e", "cpu", "--extra_options", "int4_block_size=32"], 3e-2),
    "int4, blocks of 128": (["-p", "int4", "-e", "cpu", "--extra_options", "int4_block_size=128"], 3e-2),
}
TYPES = {1: np.float32, 10: np.float16}


def save_model(family, folder):
    config = getattr(transformers, family + "Config")(**COMMON, **FAMILIES[family])
    torch.manual_seed(3)
    getattr(transformers, family + "ForCausalLM")(config).save_pretrained(folder)
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({f"t{i}": i for i in range(96)}, unk_token="t0"))
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=words, unk_token="t0", bos_token="t1", eos_token="t2"
    ).save_pretrained(folder)


def build(source, target, arguments, cache):
    command = [sys.executable, "-m", "onnxruntime_genai.models.builder", "-i", source, "-o", target, "-c", cache, *arguments]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    return "" if (target / "model.onnx").exists() else (done.stderr.strip().splitlines() or ["no model"])[-1]


def answer(path, feed, folder):
    np.savez(folder / "in.npz", **feed)
    command = [PROGRAM, "run", path, "--inputs", folder / "in.npz", "--outputs", folder / "out.npz"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().replace("\n", " / "))
    return dict(np.load(folder / "out.npz"))


def difference(got, expected, bound):
    for name, want in expected.items():
        have = got[name]
        if have.shape != want.shape:
            return f"{name} is {have.shape}, expected {want.shape}"
        scale = max(float(np.abs(want).max(initial=0)), 1e-6)
        error = float(np.abs(have.astype(np.float64) - want).max(initial=0)) / scale
        if not error < bound:
            return f"{name} differs by {error:.1e} of its range"
    return ""


def compare(model, bound, folder):
    path = model / "model.onnx"
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    size = json.loads((model / "genai_config.json").read_text())["model"]["decoder"]["head_size"]
    caches = {
        i.name: (i.type.tensor_type.shape.dim[1].dim_value, TYPES[i.type.tensor_type.elem_type])
        for i in onnx.load(path, load_external_data=False).graph.input
        if "past" in i.name
    }
    random = np.random.default_rng(0)
    for batch, length in ((1, 7), (2, 5)):
        feed = {"input_ids": random.integers(3, 90, (batch, length)), "attention_mask": np.ones((batch, length), np.int64)}
        feed |= {name: np.zeros((batch, heads, 0, size), dtype) for name, (heads, dtype) in caches.items()}
        for step in ("prompt", "step"):
            expected = dict(zip(names, session.run(None, feed)))
            wrong = difference(answer(path, feed, folder), expected, bound)
            if wrong:
                return f"batch {batch}, {step}: {wrong}"
            feed = {"input_ids": random.integers(3, 90, (batch, 1)), "attention_mask": np.ones((batch, length + 1), np.int64)}
            feed |= {name: expected[name.replace("past_key_values", "present")] for name in caches}
    return ""


def main():
    onnxruntime.set_default_logger_severity(4)
    counts = {"agree": 0, "DIFFER": 0, "skipped": 0}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for family in FAMILIES:
            save_model(family, folder / family)
            for form, (arguments, bound) in FORMS.items():
                target = folder / f"{family}-{form}"
                wrong = build(folder / family, target, arguments, folder / "cache")
                state = "skipped" if wrong else "agree"
                if not wrong:
                    try:
                        wrong = compare(target, bound, folder)
                    except RuntimeError as error:
                        wrong = str(error)
                    state = "DIFFER" if wrong else "agree"
                counts[state] += 1
                print(f"{state:8} {family:8} {form:20} {wrong}", flush=True)
    print(", ".join(f"{n} {word}" for word, n in counts.items()))
    return 1 if counts["DIFFER"] else 0 if counts["agree"] else 77


if __name__ == "__main__":
    sys.exit(main())
