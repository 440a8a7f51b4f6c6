"""Trains the model of `./dev demo`: a small convolutional network that reads hand-written digits of 8x8 pixels.

Data: the 1797 digits that the PyPI package scikit-learn carries (`sklearn.datasets.load_digits`; the test part of the UCI set "Optical
Recognition of Handwritten Digits"). The first 1437 train, the last 360 are held out. The set is in the order of its writers, so most of
the held-out digits come from people whom the model has not seen.

    pip install numpy onnx onnxruntime scikit-learn
    python train.py            # writes digits.onnx and digits_test.npz beside this file, prints the accuracy

Forward and backward passes are written out in NumPy, with float64 throughout, so that a run repeats up to the order of sums in its BLAS.
"""

import pathlib

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits

HERE = pathlib.Path(__file__).parent
SEED = 7
HELD_OUT = 360
EPOCHS = 60
BATCH = 64
LEARNING_RATE = 3e-3
DECAY = 1e-3  # of the weights, per unit of learning rate
EPSILON = 1e-5  # of the normalisation
MOMENTUM = 0.9  # of its running mean and variance
CHANNELS = (16, 32, 64)
HIDDEN = 64


def windows(x):
    """[n, c, h, w] -> [n, h, w, c * 9]: the 3x3 neighbourhood of each pixel, zeros around."""
    n, c, h, w = x.shape
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    view = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    return view.transpose(0, 2, 3, 1, 4, 5).reshape(n, h, w, c * 9)


class Conv:
    """3x3, stride 1, one pixel of padding, no bias: a normalisation follows."""

    def __init__(self, rng, c_in, c_out):
        self.weight = rng.normal(0, np.sqrt(2 / (9 * c_in)), (c_out, c_in, 3, 3))
        self.parameters = ["weight"]

    def forward(self, x, training):
        self.shape, self.columns = x.shape, windows(x)
        return (self.columns @ self.weight.reshape(len(self.weight), -1).T).transpose(0, 3, 1, 2)

    def backward(self, d):
        rows = d.transpose(0, 2, 3, 1)
        c_out = len(self.weight)
        self.d_weight = (rows.reshape(-1, c_out).T @ self.columns.reshape(-1, self.columns.shape[-1])).reshape(self.weight.shape)
        turned = self.weight[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)
        return (windows(d) @ turned.reshape(self.shape[1], -1).T).transpose(0, 3, 1, 2)


class Normalise:
    """Batch normalisation over n, h, w."""

    def __init__(self, channels):
        self.scale, self.bias = np.ones(channels), np.zeros(channels)
        self.mean, self.variance = np.zeros(channels), np.ones(channels)
        self.parameters = ["scale", "bias"]

    def forward(self, x, training):
        if training:
            mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3))
            self.mean = MOMENTUM * self.mean + (1 - MOMENTUM) * mean
            self.variance = MOMENTUM * self.variance + (1 - MOMENTUM) * variance
        else:
            mean, variance = self.mean, self.variance
        self.deviation = np.sqrt(variance + EPSILON)[:, None, None]
        self.unit = (x - mean[:, None, None]) / self.deviation
        return self.unit * self.scale[:, None, None] + self.bias[:, None, None]

    def backward(self, d):
        self.d_scale, self.d_bias = (d * self.unit).sum((0, 2, 3)), d.sum((0, 2, 3))
        g = d * self.scale[:, None, None]
        mean = g.mean((0, 2, 3), keepdims=True)
        along = (g * self.unit).mean((0, 2, 3), keepdims=True)
        return (g - mean - self.unit * along) / self.deviation


class Relu:
    parameters = []

    def forward(self, x, training):
        self.positive = x > 0
        return x * self.positive

    def backward(self, d):
        return d * self.positive


class MaxPool:
    """2x2, stride 2."""

    parameters = []

    def forward(self, x, training):
        n, c, h, w = x.shape
        self.cells = x.reshape(n, c, h // 2, 2, w // 2, 2)
        top = self.cells.max((3, 5), keepdims=True)
        self.winner = self.cells == top
        self.winner = self.winner / self.winner.sum((3, 5), keepdims=True)
        return top[:, :, :, 0, :, 0]

    def backward(self, d):
        n, c, h, w = d.shape
        return (self.winner * d[:, :, :, None, :, None]).reshape(n, c, 2 * h, 2 * w)


class Dense:
    def __init__(self, rng, k, n):
        self.weight, self.bias = rng.normal(0, np.sqrt(2 / k), (n, k)), np.zeros(n)
        self.parameters = ["weight", "bias"]

    def forward(self, x, training):
        self.shape, self.rows = x.shape, x.reshape(len(x), -1)
        return self.rows @ self.weight.T + self.bias

    def backward(self, d):
        self.d_weight, self.d_bias = d.T @ self.rows, d.sum(0)
        return (d @ self.weight).reshape(self.shape)


def network(rng):
    a, b, c = CHANNELS
    return [
        Conv(rng, 1, a), Normalise(a), Relu(),
        Conv(rng, a, b), Normalise(b), Relu(), MaxPool(),
        Conv(rng, b, c), Normalise(c), Relu(), MaxPool(),
        Dense(rng, 4 * c, HIDDEN), Relu(), Dense(rng, HIDDEN, 10),
    ]  # fmt: skip


def forward(layers, x, training=False):
    for layer in layers:
        x = layer.forward(x, training)
    return x


def distorted(rng, x):
    """Turned by up to 0.2 rad, scaled by up to 12 %, moved by up to one pixel; bilinear, zeros around."""
    n, _, h, w = x.shape
    angle, size = rng.uniform(-0.2, 0.2, n), rng.uniform(0.88, 1.12, (n, 2))
    shift = rng.uniform(-1, 1, (n, 2))
    rows, columns = np.meshgrid(np.arange(h) - (h - 1) / 2, np.arange(w) - (w - 1) / 2, indexing="ij")
    cos, sin = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    y = (cos * rows - sin * columns) * size[:, 0, None, None] + shift[:, 0, None, None] + (h - 1) / 2
    z = (sin * rows + cos * columns) * size[:, 1, None, None] + shift[:, 1, None, None] + (w - 1) / 2
    padded = np.pad(x[:, 0], ((0, 0), (3, 3), (3, 3)))
    y, z = np.clip(y + 3, 0, h + 4), np.clip(z + 3, 0, w + 4)
    top, left = np.floor(y).astype(int), np.floor(z).astype(int)
    fy, fz = y - top, z - left
    at = np.arange(n)[:, None, None]
    out = (padded[at, top, left] * (1 - fy) * (1 - fz) + padded[at, top, left + 1] * (1 - fy) * fz
           + padded[at, top + 1, left] * fy * (1 - fz) + padded[at, top + 1, left + 1] * fy * fz)  # fmt: skip
    return out[:, None]


def train(rng, layers, x, labels):
    moments = {}
    steps, step = EPOCHS * -(-len(x) // BATCH), 0
    for epoch in range(EPOCHS):
        loss = 0.0
        order = rng.permutation(len(x))
        for begin in range(0, len(x), BATCH):
            chosen = order[begin : begin + BATCH]
            logits = forward(layers, distorted(rng, x[chosen]), training=True)
            p = np.exp(logits - logits.max(1, keepdims=True))
            p /= p.sum(1, keepdims=True)
            truth = np.eye(10)[labels[chosen]]
            loss -= np.log(p[truth == 1]).sum()
            d = (p - truth) / len(chosen)
            for layer in reversed(layers):
                d = layer.backward(d)
            step += 1
            rate = LEARNING_RATE * 0.5 * (1 + np.cos(np.pi * step / steps))
            adam(layers, moments, step, rate)
        if epoch % 10 == 9:
            print(f"epoch {epoch + 1}: loss {loss / len(x):.4f}")


def adam(layers, moments, step, rate):
    for index, layer in enumerate(layers):
        for name in layer.parameters:
            d, value = getattr(layer, "d_" + name), getattr(layer, name)
            first, second = moments.get((index, name), (0.0, 0.0))
            first, second = 0.9 * first + 0.1 * d, 0.999 * second + 0.001 * d * d
            moments[index, name] = first, second
            update = (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
            decay = DECAY if name == "weight" else 0.0
            setattr(layer, name, value - rate * (update + decay * value))


def exported(layers):
    nodes, weights = [], []
    value = "image"
    counts = {}

    def constant(name, data):
        weights.append(numpy_helper.from_array(np.ascontiguousarray(data, np.float32), name))
        return name

    def node(op, inputs, **attributes):
        nonlocal value
        counts[op] = counts.get(op, 0) + 1
        name = f"{op.lower()}_{counts[op]}"
        nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        value = name

    for layer in layers:
        if isinstance(layer, Conv):
            at = f"conv_{counts.get('Conv', 0) + 1}"
            node("Conv", [value, constant(at + ".weight", layer.weight)], kernel_shape=[3, 3], pads=[1, 1, 1, 1])
        elif isinstance(layer, Normalise):
            at = f"batchnormalization_{counts.get('BatchNormalization', 0) + 1}"
            parts = [constant(f"{at}.{p}", getattr(layer, p)) for p in ("scale", "bias", "mean", "variance")]
            node("BatchNormalization", [value, *parts], epsilon=EPSILON)
        elif isinstance(layer, Relu):
            node("Relu", [value])
        elif isinstance(layer, MaxPool):
            node("MaxPool", [value], kernel_shape=[2, 2], strides=[2, 2])
        else:
            if "Flatten" not in counts:
                node("Flatten", [value])
            at = f"gemm_{counts.get('Gemm', 0) + 1}"
            parts = [constant(at + ".weight", layer.weight), constant(at + ".bias", layer.bias)]
            node("Gemm", [value, *parts], transB=1)
    node("Softmax", [value], axis=1)
    nodes[-1].output[0] = "probability"
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 8, 8])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["batch", 10])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="bench/zoo/digits/train.py")
    onnx.checker.check_model(model, full_check=True)
    return model


def main():
    digits = load_digits()
    images = (digits.images / 16).astype(np.float32)[:, None]
    labels = digits.target.astype(np.int64)
    rng = np.random.default_rng(SEED)
    layers = network(rng)
    train(rng, layers, images[:-HELD_OUT].astype(np.float64), labels[:-HELD_OUT])

    path = HERE / "digits.onnx"
    onnx.save(exported(layers), path)
    np.savez(HERE / "digits_test.npz", image=images[-HELD_OUT:], label=labels[-HELD_OUT:])

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for name, part in (("training", slice(None, -HELD_OUT)), ("held-out", slice(-HELD_OUT, None))):
        right = session.run(None, {"image": images[part]})[0].argmax(1) == labels[part]
        print(f"{name}: {right.sum()} of {len(right)} right, {100 * right.mean():.2f} % (ONNX Runtime {onnxruntime.__version__})")
    print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
