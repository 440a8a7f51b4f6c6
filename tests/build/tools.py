#!/usr/bin/env python3
"""The program as people use it: inputs of every kind give the same answer, what it prints for machines is JSON with the fields that its
help promises, and exit statuses mean what they should. Uses build/release/tenon, the digits network, and files made here."""
import array
import json
import pathlib
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import wave
import zipfile
import zlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
TENON = ROOT / "build/release/tenon"
DIGITS = ROOT / "bench/zoo/digits/digits.onnx"
LABELLED = ROOT / "bench/zoo/digits/digits_test.npz"
LEVELS = [16 * (7 * i % 16) for i in range(64)]  # a picture of 8 x 8

failures = 0


def expect(condition, what):
    global failures
    if not condition:
        failures += 1
        print("FAILED:", what)


def tenon(*arguments, status=0, given="", says=""):
    """Runs the program; checks its status and that it names `says` where it refuses; what it printed."""
    command = [str(TENON), *map(str, arguments)]
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=300)
    expect(done.returncode == status, f"{' '.join(command)}: status {done.returncode}, expected {status}\n{done.stdout}{done.stderr}")
    expect(says in done.stdout + done.stderr, f"{' '.join(command)} does not say \"{says}\"\n{done.stdout}{done.stderr}")
    return done.stdout


def npy(shape, floats):
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {tuple(shape)}, }}".encode()
    header += b" " * (-(10 + len(header) + 1) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + array.array("f", floats).tobytes()


def npz(path, **arrays):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in arrays.items():
            archive.writestr(name + ".npy", data)


def read_npz(path, name):
    data = zipfile.ZipFile(path).read(name + ".npy")
    return array.array("f", data[10 + struct.unpack("<H", data[8:10])[0]:])


def varint(n):
    return bytes([n]) if n < 128 else bytes([n & 127 | 128]) + varint(n >> 7)


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def tensor_pb(name, shape, floats):
    return b"".join(field(1, n) for n in shape) + field(2, 1) + field(8, name.encode()) + field(9, array.array("f", floats).tobytes())


def one_node_model(op, domain=b""):
    """y = op(x) for x of f32[1, n]."""
    port = lambda name: field(1, name) + field(2, field(1, field(1, 1) + field(2, field(1, field(1, 1)) + field(1, field(2, b"n")))))
    graph = field(1, field(1, b"x") + field(2, b"y") + field(4, op) + field(7, domain)) + field(2, b"g") + field(11, port(b"x")) + field(12, port(b"y"))
    return field(1, 8) + field(7, graph) + field(8, field(2, 17)) + (field(8, field(1, domain) + field(2, 1)) if domain else b"")


def png(path, side, levels):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes(levels[i * side:(i + 1) * side]) for i in range(side))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)) +
                     chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def close(a, b, bound=1e-6):
    return len(a) == len(b) and all(abs(x - y) <= bound for x, y in zip(a, b))


def inputs_and_outputs(folder):
    image = [v / 255 for v in LEVELS]
    (folder / "x.npy").write_bytes(npy((1, 1, 8, 8), image))
    (folder / "x.pb").write_bytes(tensor_pb("image", (1, 1, 8, 8), image))
    npz(folder / "x.npz", image=npy((1, 1, 8, 8), image))
    png(folder / "x.png", 8, LEVELS)
    out = folder / "out.npz"
    answers = []
    for source in (["--input", f"image={folder}/x.npy"], ["--input", f"image={folder}/x.pb"], ["--inputs", folder / "x.npz"],
                   ["--image", f"image={folder}/x.png", "--grey"], ["--input", f"image={folder}/x.npy", "--reference"],
                   ["--input", f"image={folder}/x.npy", "--isa", "avx2", "--threads", "1"]):
        tenon("run", DIGITS, *source, "--outputs", out)
        answers.append(read_npz(out, "probability"))
    for a in answers:
        expect(close(a, answers[0], 1e-5) and close([sum(a)], [1], 1e-5), f"answers of one picture: {list(a)} and {list(answers[0])}")

    (folder / "names").write_text("".join(f"digit-{i}\n" for i in range(10)))
    tenon("run", DIGITS, "--inputs", folder / "x.npz", "--precision", "bf16", "--outputs", out)
    rounded = read_npz(out, "probability")
    expect(close(rounded, answers[0], 1e-2) and not close(rounded, answers[0], 1e-9), "--precision rounds weights")
    checked = json.loads(tenon("check", DIGITS, "--inputs", folder / "x.npz", "--precision", "bf16", "--json"))
    expect(checked["ok"] and 0 < checked["of_model_precision"] < 1e-2, f"check tells what precision costs: {checked['of_model_precision']}")
    expect("rounded with error" in tenon("explain", DIGITS, "--precision", "fp16"), "explain tells the rounding error")
    tenon("run", DIGITS, "--random", "1", "--precision", "int8", status=4, says="quantise it first")
    best = max(range(10), key=lambda i: answers[0][i])
    shown = tenon("run", DIGITS, "--inputs", folder / "x.npz", "--top", "2", "--labels", folder / "names")
    expect(f"digit-{best}" in shown.splitlines()[1], f"the first of --top is digit-{best}:\n{shown}")
    told = json.loads(tenon("run", DIGITS, "--inputs", folder / "x.npz", "--json"))
    expect("probability" in json.dumps(told), "run --json names its outputs")
    expect("f32[3, 10]" in tenon("run", DIGITS, "--random", "1", "--set-dim", "batch=3"), "--set-dim sets a size")

    # Level 255 with mean 0.5 and deviation 0.25 is 2.
    png(folder / "white.png", 8, [255] * 64)
    (folder / "two.npy").write_bytes(npy((1, 1, 8, 8), [2.0] * 64))
    tenon("run", DIGITS, "--image", f"image={folder}/white.png", "--grey", "--mean", "0.5", "--std", "0.25", "--outputs", out)
    white = read_npz(out, "probability")
    tenon("run", DIGITS, "--input", f"image={folder}/two.npy", "--outputs", out)
    expect(close(white, read_npz(out, "probability")), "--mean and --std")
    png(folder / "large.png", 16, [255] * 256)
    tenon("run", DIGITS, "--image", f"image={folder}/large.png", "--grey", "--resize", "8x8", "--mean", "0.5", "--std", "0.25", "--outputs", out)
    expect(close(white, read_npz(out, "probability")), "--resize of a plain picture")

    (folder / "neg.onnx").write_bytes(one_node_model(b"Neg"))
    with wave.open(str(folder / "s.wav"), "wb") as sound:
        sound.setnchannels(1), sound.setsampwidth(2), sound.setframerate(16000)
        sound.writeframes(array.array("h", [-16384, 0, 8192]).tobytes())
    tenon("run", folder / "neg.onnx", "--input", f"x={folder}/s.wav", "--outputs", out)
    expect(close(read_npz(out, "y"), [0.5, 0, -0.25]), f"a .wav file: {list(read_npz(out, 'y'))}")

    case = folder / "case"
    (case / "test_data_set_0").mkdir(parents=True)
    shutil.copy(DIGITS, case / "model.onnx")
    shutil.copy(folder / "x.pb", case / "test_data_set_0/input_0.pb")
    stored = case / "test_data_set_0/output_0.pb"
    stored.write_bytes(tensor_pb("probability", (1, 10), answers[0]))
    tenon("run", case / "model.onnx", "--case", case)
    tenon("run", "--case", case)
    tenon("run", status=2, says="takes a model file")
    stored.write_bytes(tensor_pb("probability", (1, 10), [0.1] * 10))
    tenon("run", case / "model.onnx", "--case", case, status=1, says="probability")
    compared = json.loads(tenon("run", case / "model.onnx", "--case", case, "--json", status=1))
    expect(not compared["same"] and compared["outputs"][0]["of_range"] > 3, f"run --case --json: {compared}")
    tenon("run", case / "model.onnx", "--case", case, "--atol", "0.95")
    tenon("run", case / "model.onnx", "--case", case, "--rtol", "10")
    tenon("run", case / "model.onnx", "--atol", "1", status=2, says="--case")


def for_machines():
    seen = json.loads(tenon("inspect", DIGITS, "--json"))
    expect(seen["parameters"] == 40394 and seen["inputs"][0]["shape"] == ["batch", 1, 8, 8], f"inspect --json: {seen}")
    expect(seen["multiply_adds"] > 0 and seen["weight_bytes"] > 4 * 40000 and seen["working_bytes"] > 0, f"inspect --json: {seen}")
    told = json.loads(tenon("bench", DIGITS, "--iterations", "20", "--warmup", "0", "--json"))
    wanted = "runs min_ms mean_ms median_ms p90_ms p95_ms p99_ms load_ms peak_rss_bytes".split()
    expect(all(told.get(name, 0) > 0 for name in wanted) and told["runs"] == 20 and told["precision"] == "model", f"bench --json: {told}")
    expect(told["min_ms"] <= told["median_ms"] <= told["p90_ms"] <= told["p99_ms"], f"bench --json: {told}")
    expect({"read_ms", "build_ms", "passes_ms", "plan_ms", "pack_ms", "first_run_ms"} <= set(told["load"]), f"stages of load: {told}")
    lines = tenon("bench", DIGITS, "--pipe", given="run 0.01\nwalk\nrun 0.01\n").splitlines()
    answers = [json.loads(line) for line in lines]
    expect(len(answers) == 3 and "error" in answers[1] and answers[0]["runs"] > 0 and answers[2]["runs"] > 0, f"bench --pipe: {lines}")
    steps = json.loads(tenon("explain", DIGITS, "--json"))["steps"]
    refused = [other["reason"] for s in steps for other in s["others"] if other["reason"]]
    expect(steps and refused and all(s["kernel"] and s["expected_ns"] > 0 for s in steps), "explain --json")
    checked = json.loads(tenon("check", DIGITS, "--random", "7", "--json"))
    expect(checked["ok"] and len(checked["steps"]) > 5, f"check --json: {checked}")
    expect("graph" in tenon("dump", DIGITS, "--after", "fuse_epilogues"), "dump --after")


def refusals(folder):
    for command in "run evaluate bench inspect dump explain check seal unseal slots sign verify keygen policy audit".split():
        tenon(command, "--help", says="exit status")
    (folder / "text.onnx").write_text("this is no model")
    (folder / "unknown.onnx").write_bytes(one_node_model(b"Frobnicate", b"org.example"))
    (folder / "short.npy").write_bytes(npy((1, 1, 8, 4), [0.0] * 32))
    tenon("evaluate", DIGITS, LABELLED, "--at-least", "0.98")
    tenon("evaluate", DIGITS, LABELLED, "--at-least", "0.999", status=1)
    tenon("run", DIGITS, "--bogus", status=2, says="--bogus")
    tenon("run", DIGITS, "--input", f"picture={folder}/x.npy", status=2, says="image")
    tenon("run", DIGITS, "--isa", "mmx", status=2, says="avx2")
    tenon("dump", DIGITS, "--after", "nonsense", status=2, says="fuse_epilogues")
    tenon("run", folder / "text.onnx", "--random", "1", status=3, says="text.onnx")
    tenon("run", DIGITS, "--input", f"image={folder}/short.npy", status=3, says="image")
    tenon("run", folder / "unknown.onnx", "--random", "1", status=4, says="Frobnicate")
    tenon("run", folder / "absent.onnx", "--random", "1", status=5, says="absent.onnx")
    tenon("run", DIGITS, "--random", "1", "--memory-limit", "100", status=5, says="100")


FOREIGN = {
    "PyTorch": b"PK\3\4" + bytes(26) + b"archive/data.pkl",
    "PyTorch file": b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.",
    "scikit-learn": b"\x80\x04\x95\x10\0\0\0\0\0\0\0\x8c\x1esklearn.linear_model._logistic",
    "pickle": b"\x80\x03}q\x00.",
    "compressed": zlib.compress(b"a joblib file"),
    ".tflite": b"\x1c\0\0\0TFL3" + bytes(20),
    "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(20),
    "safetensors": struct.pack("<Q", 60) + b'{"a":{"dtype":"F32"}}',
    "GGUF": b"GGUF\3\0\0\0",
    ".npy": npy((2,), [1.0, 2.0]),
    ".npz": b"PK\3\4" + bytes(26) + b"x.npy",
    "zip": b"PK\5\6" + bytes(18),
    "picture": b"\x89PNG\r\n\x1a\n" + bytes(20),
    "a picture": b"\xff\xd8\xff\xe0" + bytes(20),
    "Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n",
    "web page": b"\n<!DOCTYPE html><html>",
}


def messages(folder):
    """What is said where people err, in words that name the way out."""
    for what, content in FOREIGN.items():
        (folder / "foreign").write_bytes(content)
        tenon("inspect", folder / "foreign", status=4, says=what)
    tenon("rnu", DIGITS, status=2, says="did you mean run?")
    tenon("slots", "ad", status=2, says="did you mean add?")
    tenon("run", DIGITS, "--treads", "2", status=2, says="did you mean --threads?")
    tenon("run", DIGITS, "--threads", "5000", status=2, says="from 0 to 1024, not 5000")
    tenon("run", DIGITS, "--random", "1", "--set-dim", "bacth=2", status=2, says="batch")
    with zipfile.ZipFile(folder / "empty.npz", "w"):
        pass
    tenon("run", DIGITS, "--inputs", folder / "empty.npz", status=3, says="without arrays")
    png(folder / "large.png", 9, [0] * 81)
    tenon("run", DIGITS, "--image", f"image={folder}/large.png", status=3, says="--grey")
    tenon("run", DIGITS, "--image", f"image={folder}/large.png", "--grey", status=3, says="--resize 8x8")
    (folder / "x.npy").write_bytes(npy((1, 1, 8, 8), [0.0] * 64))
    tenon("run", DIGITS, "--input", f"image={folder}/x.npy", "--input", f"image={folder}/x.npy", status=2, says="twice")
    (folder / "names.txt").write_text("nought\none\n")
    tenon("run", DIGITS, "--random", "1", "--top", "2", "--labels", folder / "names.txt", says="2 names")
    with open("/dev/full", "w") as full:
        done = subprocess.run([str(TENON), "inspect", str(DIGITS)], stdout=full, stderr=subprocess.PIPE, text=True)
    expect(done.returncode == 5 and "standard output" in done.stderr, f"inspect >/dev/full: {done}")


def interruptions():
    """An interrupted command shows what it has, and says so by its status."""
    for arguments, says in ((("bench", "--duration", "60"), "interrupted before the end"), (("bench", "--duration", "60", "--json"), '"runs"')):
        command = [str(TENON), arguments[0], str(DIGITS), *arguments[1:]]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
            time.sleep(2)
            running.send_signal(signal.SIGINT)
            out, err = running.communicate(timeout=60)
        expect(running.returncode == 130 and says in out, f"{command} interrupted: {running.returncode}\n{out}{err}")


def main():
    if not TENON.is_file():
        print("build/release/tenon is not built")
        return 1
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        inputs_and_outputs(folder)
        for_machines()
        refusals(folder)
        messages(folder)
        interruptions()
    print(f"{failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
