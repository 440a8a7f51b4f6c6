"""Compares Tenon with other engines on the models of the shared folder, interleaved in one run.

    python3 -m venv build/venv && build/venv/bin/pip install numpy onnx onnxruntime openvino
    build/venv/bin/python bench/compare/models.py [--peers onnxruntime,openvino] [--threads 2] [--json FILE] [NAME ...]

Each model runs the last step of its first case in tests/models/make_references.py, so a decoder is measured on a step with a cache.
In every round each engine runs for the same time, alone: the threads of the others are asleep. A round gives one ratio (median time of
Tenon / median time of the peer); the table shows the median of the ratios and their spread. Below 1 Tenon is faster. Both sides compute
in the precision of the model: OpenVINO, which would choose bf16, is held to f32. Outputs are compared before times are; int8 outputs
differ by rounding, see tests/models/README.md.
"""

import argparse
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/models"))
import make_references as references  # noqa: E402


class Tenon:
    name = "tenon"

    def __init__(self, path, inputs, threads, arguments):
        self.folder = tempfile.TemporaryDirectory()
        self.file = f"{self.folder.name}/inputs.npz"
        np.savez(self.file, **inputs)
        self.common = [str(path), "--threads", str(threads), "--inputs", self.file, *arguments["extra"]]
        self.program = arguments["program"]
        self.process = subprocess.Popen(
            [self.program, "bench", *self.common, "--pipe"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def outputs(self):
        file = f"{self.folder.name}/outputs.npz"
        subprocess.run([self.program, "run", *self.common, "--outputs", file], check=True, stdout=subprocess.DEVNULL)
        return dict(np.load(file))

    def milliseconds(self, seconds):
        self.process.stdin.write(f"run {seconds}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"tenon ended with status {self.process.wait()}")
        return json.loads(line)["median_ms"]

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.folder.cleanup()


def timed(run, seconds):
    times, end = [], time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


class OnnxRuntime:
    name = "onnxruntime"

    def __init__(self, path, inputs, threads, arguments):
        import onnxruntime

        self.version = onnxruntime.__version__
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self.open(str(path), options, inputs)
        try:
            self.run(), self.run()
        except Exception:  # the second run refuses a result of another rank than the file declares: run without what it declares
            import onnx

            model = onnx.load(str(path))
            for output in model.graph.output:
                output.type.tensor_type.ClearField("shape")
            self.open(model.SerializeToString(), options, inputs)

    def open(self, model, options, inputs):
        import onnxruntime

        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.names = [o.name for o in self.session.get_outputs()]
        self.binding = self.session.io_binding()
        for name, x in inputs.items():
            self.binding.bind_cpu_input(name, np.ascontiguousarray(x))
        for name in self.names:
            self.binding.bind_output(name)

    def run(self):
        self.session.run_with_iobinding(self.binding)

    def outputs(self):
        self.run()
        return dict(zip(self.names, self.binding.copy_outputs_to_cpu()))

    def milliseconds(self, seconds):
        return timed(self.run, seconds)

    def close(self):
        pass


class OpenVino:
    name = "openvino"

    def __init__(self, path, inputs, threads, arguments):
        import openvino

        self.version = openvino.__version__
        core = openvino.Core()
        settings = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
        model = core.read_model(str(path))
        model.reshape({name: x.shape for name, x in inputs.items()})
        self.compiled = core.compile_model(model, "CPU", settings)
        self.request = self.compiled.create_infer_request()
        for name, x in inputs.items():
            self.request.set_tensor(name, openvino.Tensor(np.ascontiguousarray(x)))

    def outputs(self):
        self.request.infer()
        return {o.get_any_name(): self.request.get_tensor(o).data.copy() for o in self.compiled.outputs}

    def milliseconds(self, seconds):
        return timed(self.request.infer, seconds)

    def close(self):
        pass


PEERS = {"onnxruntime": OnnxRuntime, "openvino": OpenVino}


def feeds(path, case, shared):
    """Inputs of the last step; the steps before it are run by ONNX Runtime, for the state that they leave."""
    import onnxruntime

    runner = references.Runner(path, onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC)
    history = runner.case({"steps": case["steps"][:-1]}, shared)
    made = {}
    for name, rule in case["steps"][-1]["inputs"].items():
        made[runner.inputs[0] if name == "x" else name] = np.asarray(references.made(rule, shared, history))
    return made


def difference(ours, theirs):
    worst = 0.0
    for name, x in theirs.items():
        if x.size and name in ours and np.issubdtype(x.dtype, np.floating):
            gap = np.abs(ours[name].reshape(x.shape).astype(np.float64) - x.astype(np.float64)).max()
            worst = max(worst, float(gap / references.extent(x)))
        elif x.size and name in ours:
            worst = max(worst, float(np.mean(ours[name].reshape(x.shape) != x)))
    return worst


def compare(name, arguments, shared):
    file, cases = references.MODELS[name]
    path = shared / "models" / file
    inputs = feeds(path, cases[0], shared)
    settings = {"program": arguments.program, "extra": arguments.isa}
    tenon = Tenon(path, inputs, arguments.threads, settings)
    row = {"model": name, "case": cases[0]["name"], "peers": {}}
    peers = []
    try:
        ours = tenon.outputs()
        for peer in arguments.peers:
            try:
                engine = PEERS[peer](path, inputs, arguments.threads, settings)
                row["peers"][peer] = {"version": engine.version, "difference": difference(ours, engine.outputs())}
                peers.append(engine)
            except Exception as error:  # a peer that cannot run the model is not compared
                row["peers"][peer] = {"failed": str(error).strip().splitlines()[-1][:100]}
        engines = [tenon, *peers]
        times = {e.name: [] for e in engines}
        seconds = arguments.seconds
        for e in engines:
            e.milliseconds(seconds / 2)
        for _ in range(arguments.rounds):
            for e in engines:
                time.sleep(0.12)  # the pool of ONNX Runtime spins for 40 ms after its run
                times[e.name].append(e.milliseconds(seconds))
    finally:
        for e in [tenon, *peers]:
            e.close()
    row["tenon_ms"] = statistics.median(times["tenon"])
    for e in peers:
        ratios = sorted(a / b for a, b in zip(times["tenon"], times[e.name]))
        row["peers"][e.name] |= {
            "median_ms": statistics.median(times[e.name]), "ratio": statistics.median(ratios), "least": ratios[0], "most": ratios[-1],
        }
    return row


def show(row):
    line = f"{row['model']:28} {row['tenon_ms']:9.3f}"
    for peer in row["peers"].values():
        if "failed" in peer:
            line += f"   {'-':>9} {peer['failed'][:38]:>38}"
        else:
            line += f"   {peer['median_ms']:9.3f} {peer['ratio']:6.2f} ({peer['least']:5.2f} .. {peer['most']:5.2f}) {peer['difference']:9.1e}"
    print(line, flush=True)


def summary(rows, peers):
    for peer in peers:
        ratios = {r["model"]: r["peers"][peer]["ratio"] for r in rows if "ratio" in r["peers"].get(peer, {})}
        if ratios:
            mean = math.exp(statistics.fmean(math.log(x) for x in ratios.values()))
            worst = max(ratios, key=ratios.get)
            print(f"{peer}: geometric mean {mean:.3f} over {len(ratios)} models; worst {worst} {ratios[worst]:.2f}; "
                  f"{sum(x > 2 for x in ratios.values())} above 2")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="models of tests/models/make_references.py; default: all")
    parser.add_argument("--shared", type=pathlib.Path, default=pathlib.Path(os.environ.get("TENON_SHARED", ROOT.parent / "shared")))
    parser.add_argument("--program", default=str(ROOT / "build/release/tenon"))
    parser.add_argument("--peers", type=lambda s: s.split(","), default=["onnxruntime"], help=", ".join(PEERS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.15, help="of each engine in each round")
    parser.add_argument("--isa", type=lambda s: ["--isa", s], default=[])
    parser.add_argument("--json", type=pathlib.Path, help="write the rows to a file")
    arguments = parser.parse_args()
    unknown = [n for n in arguments.names if n not in references.MODELS] + [p for p in arguments.peers if p not in PEERS]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; models are {', '.join(references.MODELS)}; peers are {', '.join(PEERS)}")
    print(f"{'model':28} {'tenon ms':>9}" + "".join(f"   {p[:9] + ' ms':>9} {'ratio (least .. most)':>23} {'difference':>9}" for p in arguments.peers))
    rows = []
    for name in arguments.names or references.MODELS:
        try:
            rows.append(compare(name, arguments, arguments.shared))
            show(rows[-1])
        except (subprocess.CalledProcessError, RuntimeError, BrokenPipeError) as error:
            print(f"{name:28} failed: {error}", flush=True)
    summary(rows, arguments.peers)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
