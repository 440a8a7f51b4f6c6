#!/usr/bin/env python3
"""Load of a sealed model against the same model in plain: whole processes (`tenon run`, one run on random inputs), page cache warm,
interleaved, the median of the ratios of neighbours. Models are made here with random weights and lie in build/bench; nothing but the
standard library is needed.

  bench/sealed_load.py [--megabytes 100,500] [--rounds 9] [--threads 2]
"""
import argparse
import pathlib
import random
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
TENON = ROOT / "build/release/tenon"
FOLDER = ROOT / "build/bench/sealed"
WIDTH = 1024  # a layer is a product by WIDTH x 4 WIDTH and one back: 32 MiB


def varint(n):
    out = bytearray()
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    return bytes(out) + bytes([n])


def number(field, n):
    return varint(field << 3) + varint(n)


def text(field, data):
    return varint(field << 3 | 2) + varint(len(data)) + data


def port(name):
    shape = b"".join(text(1, number(1, n)) for n in (1, WIDTH))
    return text(1, name) + text(2, text(1, number(1, 1) + text(2, shape)))


def node(op, inputs, output):
    return text(1, b"".join(text(1, i) for i in inputs) + text(2, output) + text(4, op))


def weights(count):
    """Floats of magnitude 2^-7 to 2^-5, both signs: random bytes whose exponents are set."""
    data = bytearray(random.randbytes(4 * count))
    data[3::4] = bytes(data[3::4]).translate(bytes(0x3C | b & 0x80 for b in range(256)))
    return bytes(data)


def make_model(path, megabytes):
    """A chain of products: x -> relu(x a) b -> ..."""
    layers = max(1, round(megabytes / (8 * WIDTH * WIDTH * 4 / 1e6)))
    nodes, tensors, previous = b"", [], b"x"
    for i in range(layers):
        a, b, h, r = (f"{k}{i}".encode() for k in "abhr")
        y = b"y" if i + 1 == layers else f"y{i}".encode()
        nodes += node(b"MatMul", [previous, a], h) + node(b"Relu", [h], r) + node(b"MatMul", [r, b], y)
        for name, dims in ((a, (WIDTH, 4 * WIDTH)), (b, (4 * WIDTH, WIDTH))):
            tensors.append(b"".join(number(1, d) for d in dims) + number(2, 1) + text(8, name))
        previous = y
    count = 4 * WIDTH * WIDTH
    tensor_bytes = [len(t) + len(varint(9 << 3 | 2) + varint(4 * count)) + 4 * count for t in tensors]
    head = nodes + text(2, b"random")
    tail = text(11, port(b"x")) + text(12, port(b"y"))
    size = len(head) + len(tail) + sum(n + len(varint(5 << 3 | 2) + varint(n)) for n in tensor_bytes)
    with open(path, "wb") as f:
        f.write(number(1, 8) + text(8, number(2, 17)) + varint(7 << 3 | 2) + varint(size) + head)
        for t, n in zip(tensors, tensor_bytes):
            f.write(varint(5 << 3 | 2) + varint(n) + t + varint(9 << 3 | 2) + varint(4 * count) + weights(count))
        f.write(tail)


def seconds(*command):
    start = time.perf_counter()
    done = subprocess.run([TENON, *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    took = time.perf_counter() - start
    if done.returncode:
        sys.exit(done.stderr)
    return took


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--megabytes", default="100,500", help="sizes of models, between commas")
    options.add_argument("--rounds", type=int, default=9)
    options.add_argument("--threads", default="2")
    options.add_argument("--keep", action="store_true", help="leave the models in build/bench/sealed")
    given = options.parse_args()
    random.seed(7)
    FOLDER.mkdir(parents=True, exist_ok=True)
    key, signer = FOLDER / "key", FOLDER / "signer"
    for path, kind in ((key, "--raw"), (signer, "--signer")):
        path.unlink(missing_ok=True)
        public = subprocess.run([TENON, "keygen", kind, "-o", path], check=True, capture_output=True, text=True).stdout.strip()
    worst = 0
    for megabytes in (float(m) for m in given.megabytes.split(",")):
        plain, sealed = FOLDER / "m.onnx", FOLDER / "m.tenon"
        make_model(plain, megabytes)
        sealing = seconds("seal", plain, "-o", sealed, "--key-file", key, "--sign", signer)
        run = ["--random", "7", "--threads", given.threads]
        ways = {"unsigned": ["--key-file", key, "--signer", "any"], "signed": ["--key-file", key, "--signer", public]}
        print(f"{plain.stat().st_size / 1e6:6.0f} MB  sealed in {sealing:.2f} s", flush=True)
        for way, keys in ways.items():
            ratios, times = [], []
            for i in range(given.rounds + 1):
                a, b = seconds("run", plain, *run), seconds("run", sealed, *keys, *run)
                if i:  # the first round warms the page cache
                    ratios.append(b / a)
                    times.append((a, b))
            ratio = statistics.median(ratios)
            worst = max(worst, ratio)
            print(f"          {way:8}  plain {statistics.median(t[0] for t in times):.3f} s, sealed {statistics.median(t[1] for t in times):.3f} s, "
                  f"ratio {ratio:.2f} ({min(ratios):.2f} to {max(ratios):.2f})", flush=True)
        if not given.keep:
            plain.unlink()
            sealed.unlink()
    print(f"worst ratio {worst:.2f}, target 1.3")
    return 0


if __name__ == "__main__":
    sys.exit(main())
