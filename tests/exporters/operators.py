#!/usr/bin/env python3
"""Operators of com.microsoft against ONNX Runtime, with drawn attributes, sizes and inputs.

  operators.py [--draws N] [--seed N] [--only WORD]

Exits 0 where all agree, 1 where any differs, 77 where packages are missing.
"""

import argparse
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
    from onnx import TensorProto, helper, numpy_helper
except ImportError as missing:
    print(f"left out: {missing}; pip install onnx onnxruntime numpy")
    sys.exit(77)

DOMAIN = "com.microsoft"


class Draw:
    """A case: inputs (None: omitted), which of them are constants, attributes, the number of outputs and the types of those
    that are not FLOAT."""

    def __init__(self, op, inputs, outputs=1, compared=9, constants=(), types=None, **attributes):
        self.op, self.inputs, self.outputs, self.types = op, inputs, outputs, types or {}
        self.compared = compared  # of the outputs, the first so many: what others hold is not specified throughout
        self.constants, self.attributes = set(constants), attributes


def real(r, *shape):
    return r.standard_normal(shape).astype(np.float32)


def maybe(r, value, chance=0.5):
    return value if r.random() < chance else None


def attention_mask(r, batch, length, total):
    kind = r.integers(0, 4)
    if kind == 0:
        return r.integers(1, total + 1, (batch,)).astype(np.int32)
    if kind == 1:
        return (np.arange(total)[None] < r.integers(1, total + 1, (batch, 1))).astype(np.int32)
    if kind == 2:
        return r.integers(0, 2, (batch, length, total)).astype(np.int32)
    return None


def attention(r):
    batch, length, heads, size, past, width = (int(r.integers(1, n)) for n in (4, 6, 4, 9, 5, 20))
    size *= 4
    past = past if r.random() < 0.5 else 0
    d = heads * size
    total = past + length
    causal = int(r.random() < 0.5)
    return Draw(
        "Attention",
        [
            real(r, batch, length, width),
            real(r, width, 3 * d),
            real(r, 3 * d),
            attention_mask(r, batch, length, total),
            real(r, 2, batch, heads, past, size) if past else None,
            maybe(r, real(r, batch, heads, length, total)),
        ],
        outputs=2 if past else 1,
        constants=(1, 2),
        num_heads=heads,
        unidirectional=causal,
    )


def multi_head(r):
    batch, length, heads, size, past = (int(r.integers(1, n)) for n in (4, 6, 4, 5, 5))
    size *= 4
    d = heads * size
    past = past if r.random() < 0.5 else 0
    keys = length if past or r.random() < 0.5 else int(r.integers(1, 7))
    total = past + keys
    causal = int(r.random() < 0.4 and keys == length)
    mask = attention_mask(r, batch, length, total) if r.random() < 0.6 else None
    return Draw(
        "MultiHeadAttention",
        [
            real(r, batch, length, d),
            real(r, batch, keys, d),
            real(r, batch, keys, d),
            maybe(r, real(r, 3 * d)),
            mask,
            maybe(r, real(r, 1, heads, length, total)),
            real(r, batch, heads, past, size) if past else None,
            real(r, batch, heads, past, size) if past else None,
        ],
        outputs=3 if past else 1,
        num_heads=heads,
        unidirectional=causal,
    )


def grouped_query(r):
    batch, length, kv, group, size = (int(r.integers(1, n)) for n in (4, 6, 3, 4, 3))
    size *= 8
    heads = kv * group
    decode = r.random() < 0.6
    if decode:
        length = 1 if batch > 1 else int(r.integers(1, 4))
    capacity = int(r.integers(length + 1, 14))
    totals = r.integers(length, capacity + 1, (batch,)) if decode else np.full((batch,), length)
    if decode:
        totals[int(r.integers(0, batch))] = int(totals.max())
    total = int(totals.max())
    if decode and total == length:
        total += 1
        totals[:] = total
        capacity = max(capacity, total)
    rotates = int(r.random() < 0.6)
    half = size // 2 if r.random() < 0.6 else size // 4
    angles = r.random((capacity + length + 1, half)) * 6
    packed = r.random() < 0.4
    q, k, v = real(r, batch, length, heads * size), real(r, batch, length, kv * size), real(r, batch, length, kv * size)
    return Draw(
        "GroupQueryAttention",
        [
            np.concatenate([q, k, v], 2) if packed else q,
            None if packed else k,
            None if packed else v,
            real(r, batch, kv, capacity, size) if decode else np.zeros((batch, kv, 0, size), np.float32),
            real(r, batch, kv, capacity, size) if decode else np.zeros((batch, kv, 0, size), np.float32),
            (totals - 1).astype(np.int32),
            np.array(total, np.int32),
            np.cos(angles).astype(np.float32) if rotates else None,
            np.sin(angles).astype(np.float32) if rotates else None,
        ],
        outputs=3,
        compared=1,
        num_heads=heads,
        kv_num_heads=kv,
        do_rotary=rotates,
        rotary_interleaved=int(rotates and r.random() < 0.4),
        local_window_size=int(r.integers(1, 6)) if r.random() < 0.3 else -1,
        softcap=float(r.random() * 5) if r.random() < 0.3 else 0.0,
        smooth_softmax=int(r.random() < 0.3),
    )


def rotary(r):
    batch, length, heads, size = (int(r.integers(1, n)) for n in (4, 6, 4, 4))
    size *= 4
    partial = r.random() < 0.3
    half = size // 4 if partial else size // 2
    rows = 12
    angles = r.random((rows, half)) * 6
    flat = r.random() < 0.6
    places = np.array([int(r.integers(0, rows - length + 1))]) if r.random() < 0.5 else r.integers(0, rows, (batch, length))
    attributes = {"interleaved": int(r.random() < 0.5)}
    if partial:
        attributes |= {"rotary_embedding_dim": 2 * half, "num_heads": heads}
    x = real(r, batch, length, heads * size) if flat else real(r, batch, heads, length, size)
    return Draw(
        "RotaryEmbedding",
        [x, places.astype(np.int64), np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)],
        constants=(2, 3),
        **attributes,
    )


def embed_layer_norm(r):
    batch, length, width = (int(r.integers(1, n)) for n in (4, 7, 20))
    ids = r.integers(0, 11, (batch, length)).astype(np.int32)
    segments = maybe(r, r.integers(0, 2, (batch, length)).astype(np.int32))
    return Draw(
        "EmbedLayerNormalization",
        [
            ids,
            segments,
            real(r, 11, width),
            real(r, 9, width),
            real(r, 2, width) if segments is not None else None,
            real(r, width),
            real(r, width),
            maybe(r, r.integers(0, 2, (batch, length)).astype(np.int32)),
        ],
        outputs=2,
        types={1: TensorProto.INT32},
        constants=(2, 3, 4, 5, 6),
        epsilon=1e-12,
    )


def matmul_nbits(r):
    bits, block = int(r.choice([4, 8])), int(r.choice([16, 32, 64, 128]))
    k, n, rows = (int(r.integers(1, m)) for m in (200, 40, 20))
    blocks = -(-k // block)
    zero = None
    if r.random() < 0.4:
        zero = r.integers(0, 256, (n * (-(-blocks * bits // 8)),)).astype(np.uint8)
    elif r.random() < 0.3 and bits == 4:
        zero = (r.random((n, blocks)) * 8).astype(np.float32)
    return Draw(
        "MatMulNBits",
        [
            real(r, 2, rows, k),
            r.integers(0, 256, (n, blocks, block * bits // 8)).astype(np.uint8),
            (r.random((n, blocks)) * 0.1).astype(np.float32),
            zero,
            None,
            maybe(r, real(r, n), 0.3),
        ],
        constants=(1, 2, 3, 5),
        K=k,
        N=n,
        block_size=block,
        bits=bits,
        accuracy_level=1,
    )


def gather_block(r):
    bits, block = 4, int(r.choice([16, 32]))
    rows, width = int(r.integers(1, 9)), block * int(r.integers(1, 4))
    return Draw(
        "GatherBlockQuantized",
        [
            r.integers(0, 256, (rows, width * bits // 8)).astype(np.uint8),
            r.integers(0, rows, (2, 3)).astype(np.int64),
            real(r, rows, width // block),
            maybe(r, r.integers(0, 256, (rows, -(-(width // block) * bits // 8))).astype(np.uint8)),
        ],
        constants=(0, 2, 3),
        bits=bits,
        block_size=block,
        gather_axis=0,
        quantize_axis=1,
    )


def fused_matmul(r):
    rank = int(r.integers(2, 5))
    m, k, n = (int(v) for v in r.integers(1, 8, 3))
    lead = [int(v) for v in r.integers(1, 4, rank - 2)]
    attributes = {"alpha": float(r.random())}
    shapes = []
    for name, (a, b) in (("A", (m, k)), ("B", (k, n))):
        trans, batch = int(r.random() < 0.5), int(r.random() < 0.5 and rank > 2)
        attributes |= {"trans" + name: trans, "transBatch" + name: batch}
        last = [b, a] if trans else [a, b]
        shape = lead + last
        if batch:  # axis 0 moves to place rank - 2
            shape = [shape[rank - 2], *shape[: rank - 2], shape[rank - 1]]
        shapes.append(shape)
    return Draw("FusedMatMul", [real(r, *shapes[0]), real(r, *shapes[1])], **attributes)


def quantized_attention(r):
    batch, length, heads, size, width = (int(r.integers(1, n)) for n in (3, 6, 4, 4, 20))
    d = heads * size * 4
    return Draw(
        "QAttention",
        [
            r.integers(0, 256, (batch, length, width)).astype(np.uint8),
            r.integers(-100, 100, (width, 3 * d)).astype(np.int8),
            real(r, 3 * d),
            np.array(0.02, np.float32),
            np.array(0.01, np.float32),
            maybe(r, r.integers(1, length + 1, (batch,)).astype(np.int32)),
            np.array(128, np.uint8),
            np.array(0, np.int8),
        ],
        constants=(1, 2, 3, 4, 6, 7),
        num_heads=heads,
        unidirectional=int(r.random() < 0.4),
    )


DRAWS = [
    attention,
    multi_head,
    grouped_query,
    rotary,
    embed_layer_norm,
    matmul_nbits,
    gather_block,
    fused_matmul,
    quantized_attention,
]


def model_of(draw):
    names = [f"i{k}" if x is not None else "" for k, x in enumerate(draw.inputs)]
    while names and not names[-1]:
        names.pop()
    given = {n: draw.inputs[k] for k, n in enumerate(names) if n}
    constants = {f"i{k}" for k in draw.constants}
    outputs = [f"o{k}" for k in range(draw.outputs)]
    node = helper.make_node(draw.op, names, outputs, domain=DOMAIN, **draw.attributes)
    graph = helper.make_graph(
        [node],
        draw.op,
        [
            helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)
            for n, x in given.items()
            if n not in constants
        ],
        [helper.make_tensor_value_info(n, draw.types.get(k, TensorProto.FLOAT), None) for k, n in enumerate(outputs)],
        [numpy_helper.from_array(np.ascontiguousarray(x), n) for n, x in given.items() if n in constants],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid(DOMAIN, 1)], ir_version=10)
    return model, {n: x for n, x in given.items() if n not in constants}, outputs


def difference(draw, folder):
    """Empty where both agree; None where ONNX Runtime refuses the case."""
    model, feed, outputs = model_of(draw)
    path, given, answers = folder / "m.onnx", folder / "in.npz", folder / "out.npz"
    onnx.save(model, path)
    np.savez(given, **feed)
    try:
        expected = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, feed)
    except Exception:  # pylint: disable=broad-except
        return None
    done = subprocess.run(
        [PROGRAM, "run", str(path), "--inputs", str(given), "--outputs", str(answers)], capture_output=True, text=True, timeout=120
    )
    if done.returncode:
        return done.stderr.strip().replace("\n", " / ")
    got = np.load(answers)
    for name, want in list(zip(outputs, expected))[: draw.compared]:
        have = got[name]
        if have.shape != want.shape:
            return f"{name} is {have.shape}, expected {want.shape}"
        scale = max(float(np.abs(want).max(initial=0)), 1e-6)
        error = float(np.abs(have.astype(np.float64) - want).max(initial=0)) / scale
        if not error < 1e-3:
            return f"{name} differs by {error:.1e} of its range"
    return ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    onnxruntime.set_default_logger_severity(4)
    bad = 0
    for make in DRAWS:
        if options.only not in make.__name__:
            continue
        counts = {"agree": 0, "refused by ONNX Runtime": 0, "DIFFER": 0}
        for i in range(options.draws):
            draw = make(np.random.default_rng([options.seed, i]))
            with tempfile.TemporaryDirectory() as folder:
                wrong = difference(draw, pathlib.Path(folder))
            counts["agree" if wrong == "" else "refused by ONNX Runtime" if wrong is None else "DIFFER"] += 1
            if wrong:
                shapes = [None if x is None else x.shape for x in draw.inputs]
                print(f"{draw.op}, draw {i}: {wrong}\n  {shapes} {draw.attributes}")
        bad += counts["DIFFER"]
        print(make.__name__, ", ".join(f"{n} {word}" for word, n in counts.items()), flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
