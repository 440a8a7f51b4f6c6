"""Writes references/<name>.json: what ONNX Runtime answers to fixed inputs, for every model of the shared folder.

    pip install numpy onnxruntime
    python make_references.py [--shared ../../../shared] [NAME ...]

A file holds cases, a case holds steps (runs one after another on one session), a step holds a rule per input and a digest per output.
README.md beside this script states the rules and digests; references.cc reads them.
"""

import argparse
import json
import pathlib
import wave

import numpy as np
import onnxruntime

HERE = pathlib.Path(__file__).resolve().parent
DTYPES = {"f32": np.float32, "f16": np.float16, "s64": np.int64, "s32": np.int32, "u8": np.uint8, "bool": np.bool_}
NAMES = {np.dtype(t): n for n, t in DTYPES.items()}
SAMPLES, STATE_SAMPLES = 48, 6
LEAST_TOLERANCE = 1e-4

# --- inputs ---------------------------------------------------------------------------------------------------------------------------


def bits(seed, count):
    """splitmix64: element i is the i-th output of the generator started at `seed`."""
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def samples(path):
    with wave.open(str(path)) as w:
        assert w.getsampwidth() == 2 and w.getnchannels() == 1, path
        return np.frombuffer(w.readframes(w.getnframes()), "<i2")


def picture_set(name, shared):
    """[count, channels, height, width] of small pictures with exact values: CIFAR-10 bytes, or the demo's digits (16ths of one)."""
    if name == "cifar10":
        records = np.fromfile(shared / "data/cifar10/cifar10_100.bin", np.uint8).reshape(-1, 3073)
        return records[:, 1:].reshape(-1, 3, 32, 32).astype(np.float32)
    return np.load(HERE.parents[1] / "bench/zoo/digits/digits_test.npz")["image"]


def mosaic(rule, shared):
    """Pictures enlarged by `repeat` without smoothing, one in each cell of `pitch` pixels, row by row; what a picture leaves of its cell is 0."""
    pictures = picture_set(rule["pictures"], shared)
    n, c, h, w = np.meshgrid(*[np.arange(s) for s in rule["shape"]], indexing="ij")
    (cell_h, cell_w), repeat = rule["pitch"], rule["repeat"]
    rows, columns = -(-rule["shape"][2] // cell_h), -(-rule["shape"][3] // cell_w)
    picture = rule["first"] + (n * rows + h // cell_h) * columns + w // cell_w
    y, x = h % cell_h // repeat, w % cell_w // repeat
    count, channels, height, width = pictures.shape
    found = pictures[picture % count, np.minimum(c, channels - 1), np.minimum(y, height - 1), np.minimum(x, width - 1)]
    value = np.where((y < height) & (x < width), found, np.float32(0))
    return value * np.float32(rule["factor"]) + np.float32(rule["offset"])


def made(rule, shared, history):
    """The array that a rule describes. `history` holds the outputs of the steps before."""
    if "from" in rule:
        return history[rule.get("step", -1)][rule["from"]]
    if "npz" in rule:
        return np.load(shared / rule["npz"])[rule["array"]]
    dtype, shape = DTYPES[rule["dtype"]], rule["shape"]
    if "pictures" in rule:
        return mosaic(rule, shared).astype(dtype)
    count = int(np.prod(shape))
    if "fill" in rule:
        return np.full(shape, rule["fill"], dtype)
    if "values" in rule:
        return np.array(rule["values"], dtype).reshape(shape)
    if "wav" in rule:
        part = samples(shared / rule["wav"])[rule["begin"] : rule["begin"] + count]
        return (part.astype(np.float32) * np.float32(rule["factor"])).astype(dtype).reshape(shape)
    z, low, high = bits(rule["random"], count), rule["low"], rule["high"]
    if np.issubdtype(dtype, np.integer):
        return (low + (z % np.uint64(high - low + 1)).astype(np.int64)).astype(dtype).reshape(shape)
    u = (z >> np.uint64(40)).astype(np.float64) * 2.0**-24
    x = (low + (high - low) * u).astype(np.float32)
    if "columns" in rule:
        x *= np.resize(np.array(rule["columns"], np.float32), count)
    return x.astype(dtype).reshape(shape)


def rand(shape, seed, low, high, dtype="f32"):
    return {"dtype": dtype, "shape": shape, "random": seed, "low": low, "high": high}


def fill(shape, value, dtype="f32"):
    return {"dtype": dtype, "shape": shape, "fill": value}


def values(shape, data, dtype="s64"):
    return {"dtype": dtype, "shape": shape, "values": data}


def wav(shape, file, begin, factor):
    return {"dtype": "f32", "shape": shape, "wav": f"data/audio/{file}", "begin": begin, "factor": factor}


def cifar(shape, repeat, low=-2, high=2, first=0, dtype="f32"):
    rule = {"pictures": "cifar10", "first": first, "repeat": repeat, "pitch": [32 * repeat] * 2}
    return {"dtype": dtype, "shape": shape} | rule | {"factor": (high - low) / 256, "offset": low}


def digits(shape, repeat, pitch, factor, offset, first=0):
    rule = {"pictures": "digits", "first": first, "repeat": repeat, "pitch": pitch}
    return {"dtype": "f32", "shape": shape} | rule | {"factor": factor, "offset": offset}


def wine(shape, seed):
    """Numbers as large as those of the 13 columns that the tree models were trained on."""
    return rand(shape, seed, 0, 1) | {"columns": [16, 4, 4, 32, 128, 4, 4, 1, 4, 8, 2, 4, 1024]}


UNIT = 2.0**-15  # of 16-bit audio

# --- the cases ------------------------------------------------------------------------------------------------------------------------


def one(name, **inputs):
    """A case of one step; `inputs` with one entry named `x` stands for the only input, whatever its name."""
    return {"name": name, "steps": [{"inputs": inputs}]}


def shown(rule):
    """One step on that input, named after it."""
    kind = rule.get("pictures", "noise")
    return one(f"{kind} {'x'.join(map(str, rule['shape']))}", x=rule)


def noise(shapes, low, high, dtype="f32"):
    return [shown(rand(s, 100 + i, low, high, dtype)) for i, s in enumerate(shapes)]


def imagenet(dtype="f32"):
    return [
        shown(cifar([1, 3, 224, 224], 7, first=3, dtype=dtype)),
        shown(cifar([3, 3, 224, 224], 7, first=10, dtype=dtype)),
        *noise([[1, 3, 224, 224]], -2, 2, dtype),
    ]


def moonshine_decoder(name, batch, length, tokens, seed):
    """The first step fills the cache without one (else branch of the If), the others append to it (then branch)."""
    steps = []
    for at, token in enumerate(tokens):
        inputs = {
            "input_ids": values([batch, 1], [token + b for b in range(batch)]),
            "encoder_hidden_states": rand([batch, length, 288], seed, -2, 2),
        }
        for layer in range(6):
            for part in ("decoder", "encoder"):
                for kind in ("key", "value"):
                    past = f"past_key_values.{layer}.{part}.{kind}"
                    present = f"present.{layer}.{part}.{kind}"
                    if at == 0:
                        inputs[past] = fill([batch, 8, 0, 36], 0)
                    else:
                        inputs[past] = {"from": present, "step": 0 if part == "encoder" else at - 1}
        inputs["use_cache_branch"] = fill([1], at > 0, "bool")
        steps.append({"inputs": inputs})
    return {"name": name, "steps": steps}


def llama(name, batch, lengths, seed):
    steps = []
    for at, length in enumerate(lengths):
        inputs = {"input_ids": rand([batch, length], seed + at, 0, 511, "s64")}
        for layer in range(5):
            for kind in ("key", "value"):
                past = f"past_key_values.{layer}.{kind}"
                inputs[past] = {"from": f"present.{layer}.{kind}", "step": at - 1} if at else fill([batch, 4, 0, 8], 0)
        steps.append({"inputs": inputs})
    return {"name": name, "steps": steps}


def silero(name, rate, batch, begin, steps=8):
    """Chunks of 512 samples at 16 kHz (256 at 8 kHz), each after the 64 (32) samples before it; the state goes round."""
    chunk = 512 if rate == 16000 else 256
    whole = chunk + chunk // 8
    out = []
    for at in range(steps):
        sound = wav([1, whole], "speech_test_60s.wav", begin + at * chunk, UNIT) if batch == 1 else rand([batch, whole], 300 + at, -1, 1)
        state = {"from": "stateN", "step": at - 1} if at else fill([2, batch, 128], 0)
        out.append({"inputs": {"input": sound, "state": state, "sr": values([], [rate])}})
    return {"name": name, "steps": out}


SILERO = [silero("16 kHz", 16000, 1, 64000), silero("8 kHz", 8000, 1, 64000), silero("16 kHz, batch of 3", 16000, 3, 0, 3)]

MODELS = {
    "mobilenetv2_fp32": ("mobilenetv2_fp32/mobilenetv2_fp32.onnx", imagenet()),
    "mobilenetv2_fp16": ("mobilenetv2_fp16/mobilenetv2_fp16.onnx", imagenet("f16")),
    "mobilenetv2_qdq": ("mobilenetv2_qdq/mobilenetv2-12-qdq.onnx", imagenet()),
    "mobilenetv2_dynint8": ("mobilenetv2_dynint8/mobilenetv2_int8.onnx", imagenet()),
    "resnet20_cifar10": ("resnet20_cifar10/resnet20.onnx", [shown(cifar([1, 3, 32, 32], 1)), *noise([[1, 3, 32, 32]], -2, 2)]),
    "vit_cifar10": ("vit_cifar10/vit_pgd_2_3_16.onnx", [shown(cifar([5, 3, 32, 32], 1)), *noise([[1, 3, 32, 32]], -2, 2)]),
    "mnist": ("mnist/mnist.onnx", [shown(digits([1, 1, 28, 28], 3, [28, 28], 256, 0)), *noise([[1, 1, 28, 28]], 0, 256)]),
    "yolox_nano": ("yolox_nano/yolox_nano.onnx", [shown(cifar([1, 3, 640, 640], 10)), *noise([[1, 3, 640, 640]], -2, 2)]),
    "ultraface_rfb320": (
        "ultraface_rfb320/version-RFB-320.onnx",
        [shown(cifar([1, 3, 240, 320], 5, -1, 1)), *noise([[1, 3, 240, 320]], -1, 1)],
    ),
    "ppocr_det": (
        "ppocr_v4/ch_PP-OCRv4_det_infer.onnx",
        [shown(digits(shape, 4, [64, 32], -4, 2)) for shape in ([1, 3, 320, 256], [1, 3, 64, 96], [2, 3, 96, 160])],
    ),
    "ppocr_rec": (
        "ppocr_v4/ch_PP-OCRv4_rec_infer.onnx",
        [shown(digits(shape, 4, [48, 32], -2, 1)) for shape in ([1, 3, 48, 320], [2, 3, 48, 100])] + noise([[1, 3, 48, 33]], -1, 1),
    ),
    "ppocr_cls": (
        "ppocr_v4/ch_ppocr_mobile_v2.0_cls_infer.onnx",
        [shown(digits([3, 3, 48, 192], 4, [48, 32], -2, 1)), *noise([[1, 3, 48, 192], [1, 3, 48, 100]], -1, 1)],
    ),
    "ddddocr_crnn_int8": (
        "ddddocr_crnn_int8/common_old.onnx",
        [shown(digits(shape, 5, [64, 40], -2, 1)) for shape in ([1, 1, 64, 160], [1, 1, 64, 103])] + noise([[1, 1, 64, 256]], -1, 1),
    ),
    "moonshine_encoder": (
        "moonshine_tiny/encoder_model.onnx",
        [
            one("1 s of speech", x=wav([1, 16000], "jfk_16k.wav", 8000, UNIT)),
            one("3 s of speech", x=wav([1, 48123], "1272-141231-0002.wav", 20000, UNIT)),
            one("batch of 2", x=rand([2, 20000], 100, -0.5, 0.5)),
        ],
    ),
    "moonshine_decoder": (
        "moonshine_tiny/decoder_model_merged.onnx",
        [
            moonshine_decoder("5 tokens", 1, 40, [1, 1126, 577, 29892, 590], 200),
            moonshine_decoder("3 tokens, batch of 2", 2, 17, [1, 450, 5700], 201),
        ],
    ),
    "silero_vad": ("silero_vad/silero_vad.onnx", SILERO),
    "silero_vad_op18_ifless": ("silero_vad/silero_vad_op18_ifless.onnx", SILERO),
    "openwakeword_melspectrogram": (
        "openwakeword/melspectrogram.onnx",
        [
            one("1760 samples of speech", x=wav([1, 1760], "jfk_16k.wav", 16000, 1.0)),
            one("12640 samples of speech", x=wav([1, 12640], "jfk_16k.wav", 32000, 1.0)),
            one("batch of 2", x=rand([2, 5000], 100, -8192, 8192)),
        ],
    ),
    "openwakeword_embedding": ("openwakeword/embedding_model.onnx", noise([[1, 76, 32, 1], [3, 76, 32, 1]], -1, 3)),
    "openwakeword_hello_deepa": ("openwakeword/hello_deepa.onnx", noise([[1, 25, 96]] * 3, -16, 16)),
    "dnsmos": (
        "dnsmos/sig_bak_ovr.onnx",
        [one("speech", x=wav([1, 144160], "jfk_16k.wav", 0, UNIT)), one("batch of 2", x=rand([2, 144160], 100, -0.25, 0.25))],
    ),
    "basic_pitch": (
        "basic_pitch/nmp.onnx",
        [one("singing", x=wav([1, 43844, 1], "vocadito_10.wav", 44100, UNIT)), one("batch of 2", x=rand([2, 43844, 1], 100, -0.5, 0.5))],
    ),
    "magika_v3_3": ("magika_v3_3/model.onnx", noise([[1, 2048], [5, 2048]], 0, 256, "s32")),
    "ncf_ml1m": (
        "ncf_ml1m/ncf.onnx",
        [
            one(f"user {u}, item {i}", user_input_0=values([1, 1], [u]), item_input_0=values([1, 1], [i]))
            for u, i in [(0, 0), (0, 25), (1, 133), (3019, 3705), (6039, 1234)]
        ],
    ),
    "tiny_time_mixer": ("tiny_time_mixer/TinyTimeMixer.onnx", noise([[1, 512, 7], [4, 512, 7]], -2, 2)),
    "super_resolution": ("super_resolution/pytorch_super_resolution.onnx", [shown(cifar([2, 1, 224, 224], 7, 0, 1)), *noise([[1, 1, 224, 224]], 0, 1)]),
    "sci_lowlight": ("sci_lowlight/sci_medium_512x512.onnx", [shown(cifar([1, 3, 512, 512], 8, 0, 0.5))]),
    "cgan": ("cgan/cGAN_imgSz32_nCh_3.onnx", noise([[1, 5]] * 3, -1, 1)),
    "mscn": ("mscn/mscn_128d.onnx", noise([[1, 11, 14], [37, 11, 14]], 0, 1)),
    "byte_bidi_lstm": (
        "byte_bidi_lstm/model.onnx",
        [
            one("io.npz", x={"npz": "models/byte_bidi_lstm/io.npz", "array": "input"}),
            one("1x17", x=rand([1, 17], 100, 32, 126, "u8")),
            one("5x100", x=rand([5, 100], 101, 0, 255, "u8")),
        ],
    ),
    "xgboost_classifier": (
        "xgboost_tree/xgboost_classifier_tree.onnx",
        [
            one("io.npz", x={"npz": "models/xgboost_tree/xgboost_classifier_tree.io.npz", "array": "input"}),
            shown(wine([200, 13], 100)),
            shown(wine([7, 13], 101)),
        ],
    ),
    "xgboost_regressor": (
        "xgboost_tree/xgboost_regressor_tree.onnx",
        [
            one("io.npz", x={"npz": "models/xgboost_tree/xgboost_regressor_tree.io.npz", "array": "input"}),
            shown(wine([200, 13], 100)),
            shown(wine([7, 13], 101)),
        ],
    ),
    "llama_kv_260k": (
        "llama_kv_260k/stories260K_decoder_kv.onnx",
        [llama("7 tokens, then one by one", 1, [7, 1, 1, 1, 1], 400), llama("batch of 3", 3, [1, 4, 2], 420)],
    ),
}

# Models that may differ by more than 1e-4 of the range, and why. How much is measured: see `spread`.
INT8 = "int8: a value on a rounding edge moves by one step, and the steps after it follow"
REASONS = {
    "mobilenetv2_fp16": "float16: where an engine rounds decides the last bits",
    "mobilenetv2_qdq": INT8,
    "mobilenetv2_dynint8": INT8,
    "ddddocr_crnn_int8": INT8,
    "moonshine_encoder": INT8,
    "moonshine_decoder": INT8,
    "basic_pitch": "the logarithm of the weakest frequencies magnifies the last bits of their sums",
}

# Largest and mean difference that a model may at least have. Rounding to float16 moves this one by 9e-3 and 1.3e-3 from its float32 twin.
LEAST = {"mobilenetv2_fp16": (5e-3, 1e-3)}

# --- digests --------------------------------------------------------------------------------------------------------------------------


def number(x):
    return float(f"{float(x):.7g}")


def fnv1a(data):
    h = 0xCBF29CE484222325
    for byte in data:
        h = (h ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{h:016x}"


def positions(count, most):
    """All, or `most` of them: splitmix64 started at the count, modulo the count."""
    return np.arange(count) if count <= most else (bits(count, most) % np.uint64(count)).astype(np.int64)


def extent(x):
    """What errors are measured against: greatest - least; of an output with under 8 values its greatest magnitude, and at least 1 then."""
    x = x.astype(np.float64)
    if x.size == 0:
        return 1.0
    return float(x.max() - x.min()) if x.size >= 8 and x.max() > x.min() else max(1.0, float(np.abs(x).max()))


def digest(x, state):
    out = {"dtype": NAMES[x.dtype], "shape": list(x.shape)}
    if np.issubdtype(x.dtype, np.integer):
        return out | {"fnv1a": fnv1a(np.ascontiguousarray(x).tobytes())}
    y = x.astype(np.float64).ravel()
    assert np.isfinite(y).all()
    if y.size == 0:
        return out
    out |= {"range": number(extent(x)), "min": number(y.min()), "max": number(y.max()), "mean": number(y.mean())}
    out |= {"mean_abs": number(np.abs(y).mean())}
    out["samples"] = [number(v) for v in y[positions(y.size, STATE_SAMPLES if state else SAMPLES)]]
    return out


# --- running --------------------------------------------------------------------------------------------------------------------------


class Runner:
    def __init__(self, path, level, provided=None):
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = level
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.inputs = [i.name for i in self.session.get_inputs()]
        self.outputs = [o.name for o in self.session.get_outputs()]

    def case(self, case, shared, shake=0):
        """The outputs of each step. `shake`: a seed that moves every real input by up to 1e-6 of its value."""
        history = []
        for step in case["steps"]:
            feeds = {}
            for name, rule in step["inputs"].items():
                x = made(rule, shared, history)
                if shake and x.dtype == np.float32 and "from" not in rule:
                    x = (x * (1 + 1e-6 * np.random.default_rng(shake).uniform(-1, 1, x.shape))).astype(np.float32)
                feeds[name] = x
            history.append(dict(zip(self.outputs, self.session.run(self.outputs, feeds))))
        return history


def differences(a, b):
    """The largest and the mean difference between two histories, as parts of the range; of each output the worst."""
    worst, mean = 0.0, 0.0
    for x, y in zip(a, b):
        for name in x:
            if x[name].size and np.issubdtype(x[name].dtype, np.floating):
                gap = np.abs(x[name].astype(np.float64) - y[name].astype(np.float64)) / extent(x[name])
                worst, mean = max(worst, float(gap.max())), max(mean, float(gap.mean()))
    return worst, mean


def tolerance(spread, least):
    """Three times the spread, rounded up to 1, 2 or 5 times a power of ten."""
    for power in range(-4, 1):
        for digit in (1, 2, 5):
            if digit * 10.0**power >= max(least, 3 * spread):
                return float(f"{digit}e{power}")
    return 1.0


def reference(name, path, cases, shared):
    level = onnxruntime.GraphOptimizationLevel
    default, plain = Runner(path, level.ORT_ENABLE_ALL), Runner(path, level.ORT_DISABLE_ALL)
    entries, spreads = [], []
    for case in cases:
        for step in case["steps"]:
            if list(step["inputs"]) == ["x"]:
                step["inputs"] = {default.inputs[0]: step["inputs"]["x"]}
        history = default.case(case, shared)
        others = [plain.case(case, shared)] + [default.case(case, shared, shake) for shake in range(1, 7 if name in REASONS else 2)]
        spreads.append(np.max([differences(history, other) for other in others], axis=0))
        entry = {"name": case["name"], "spread": [float(f"{s:.2g}") for s in spreads[-1]], "steps": []}
        for step, outputs in zip(case["steps"], history):
            digests = {n: digest(x, "present" in n or n == "stateN") for n, x in outputs.items()}
            entry["steps"].append({"inputs": step["inputs"], "outputs": digests})
        entries.append(entry)
    out = {"model": str(path.relative_to(shared / "models")), "engine": f"ONNX Runtime {onnxruntime.__version__}"}
    worst, mean = np.max(spreads, axis=0)
    if name in REASONS:
        least = LEAST.get(name, (LEAST_TOLERANCE, LEAST_TOLERANCE))
        out |= {"tolerance": tolerance(worst, least[0]), "mean_tolerance": tolerance(mean, least[1]), "why": REASONS[name]}
    else:
        out |= {"tolerance": LEAST_TOLERANCE, "mean_tolerance": LEAST_TOLERANCE}
        assert 2 * worst <= LEAST_TOLERANCE, f"{name} needs a reason: {worst:.1e}"
    print(f"{name:28} spread {worst:.1e}, mean {mean:.1e}  tolerance {out['tolerance']:.0e}, mean {out['mean_tolerance']:.0e}")
    return out | {"cases": entries}


def printed(value, depth=0):
    """JSON with a line for each input and output."""
    if depth < 7 and isinstance(value, (dict, list)) and value and not (isinstance(value, dict) and ({"dtype", "from", "npz"} & value.keys())):
        if isinstance(value, dict):
            parts = [f"{json.dumps(k)}: {printed(v, depth + 1)}" for k, v in value.items()]
        elif isinstance(value[0], dict):
            parts = [printed(v, depth + 1) for v in value]
        else:
            return json.dumps(value)
        pad = "\n" + " " * (depth + 1)
        left, right = "{}" if isinstance(value, dict) else "[]"
        return left + pad + ("," + pad).join(parts) + "\n" + " " * depth + right
    return json.dumps(value)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=pathlib.Path, default=HERE.parents[2] / "shared")
    parser.add_argument("names", nargs="*", metavar="NAME")
    arguments = parser.parse_args()
    (HERE / "references").mkdir(exist_ok=True)
    for name, (path, cases) in MODELS.items():
        if not arguments.names or name in arguments.names:
            text = printed(reference(name, arguments.shared / "models" / path, cases, arguments.shared))
            (HERE / "references" / f"{name}.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
