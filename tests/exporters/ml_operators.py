#!/usr/bin/env python3
"""Operators of ai.onnx.ml with random attributes and shapes, by Tenon and by ONNX Runtime.

    tests/exporters/ml_operators.py [--tenon build/release/tenon] [--trials 20] [--seed 1] [--only OP]

Prints a line an operator. Exits with 0 where all agree, 1 where one differs, 77 where the packages
are absent. What ONNX Runtime refuses is no trial; nor are the cases that it answers by chance or
against the standard: PROBIT, transforms of a single score, and NaN among the keys of LabelEncoder,
which it finds from version 4 on only.
"""
import argparse
import importlib.util
import os
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
spec = importlib.util.spec_from_file_location("exporters", os.path.join(HERE, "sklearn.py"))
exporters = importlib.util.module_from_spec(spec)
spec.loader.exec_module(exporters)  # exits with 77 without the packages

import numpy as np  # noqa: E402
from onnx import TensorProto, helper  # noqa: E402

ELEMENTS = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE, "int64": TensorProto.INT64,
            "int32": TensorProto.INT32, "object": TensorProto.STRING}
WORDS = np.array(["", "a", "b", "cc", "é", "z z"], dtype=object)
TRANSFORMS = ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO"]


def reals(rng, *shape):
    return rng.normal(0, 2, shape).astype(np.float32)


def lists(a):
    return [float(v) for v in np.ravel(a)]


def labels_of(rng, count, numbers="classlabels_ints"):
    if rng.random() < 0.5:
        return {numbers: rng.permutation(20)[:count].tolist()}
    return {"classlabels_strings": [f"c{i}" for i in rng.permutation(20)[:count]]}


def features(rng):
    """Rows of numbers in some type."""
    x = reals(rng, rng.integers(1, 7), rng.integers(1, 6))
    return x if rng.random() < 0.6 else np.round(3 * x).astype(rng.choice(["int64", "float64"]))


def scaler(rng):
    x = features(rng)
    count = x.shape[1] if rng.random() < 0.6 else 1
    return [x], {"scale": lists(reals(rng, count)), "offset": lists(reals(rng, count))}, 1


def normalizer(rng):
    x = features(rng)
    x[rng.integers(0, len(x))] = 0
    return [x if rng.random() < 0.8 else x[0]], {"norm": str(rng.choice(["MAX", "L1", "L2"]))}, 1


def imputer(rng):
    x = np.round(reals(rng, 4, 3))
    if rng.random() < 0.3:
        return [x.astype(np.int64)], {"imputed_value_int64s": [5, 6, 7], "replaced_value_int64": 1}, 1
    replaced = float(rng.choice([0.0, 1.0, np.nan]))
    x[rng.random(x.shape) < 0.3] = replaced
    count = 3 if rng.random() < 0.5 else 1
    return [x], {"imputed_value_floats": lists(reals(rng, count)), "replaced_value_float": replaced}, 1


def binarizer(rng):
    return [reals(rng, 3, 4)], {"threshold": float(rng.normal())}, 1


def one_hot_encoder(rng):
    shape = tuple(rng.integers(1, 4, rng.integers(1, 4)))
    if rng.random() < 0.5:
        return [rng.choice(WORDS, shape)], {"cats_strings": list(rng.permutation(WORDS)[:4])}, 1
    x = rng.integers(-2, 5, shape)
    x = x if rng.random() < 0.5 else x.astype(rng.choice(["float32", "float64"]))
    return [x], {"cats_int64s": rng.permutation(7)[:4].tolist()}, 1


def feature_vectorizer(rng):
    rows, kind = rng.integers(1, 4), rng.choice(["float32", "int64", "float64", "int32"])
    widths = rng.integers(1, 4, rng.integers(1, 5)).tolist()
    return [np.round(5 * reals(rng, rows, w)).astype(kind) for w in widths], {"inputdimensions": widths}, 1


def category_mapper(rng):
    pairs = {"cats_strings": list(WORDS[:4]), "cats_int64s": rng.integers(0, 4, 4).tolist()}
    x = rng.choice(WORDS, (2, 3)) if rng.random() < 0.5 else rng.integers(0, 6, (2, 3))
    return [x], {**pairs, "default_string": "none", "default_int64": -7}, 1


def label_encoder(rng):
    keys = str(rng.choice(["strings", "int64s", "floats"]))
    values = str(rng.choice(["strings", "int64s", "floats"]))
    pool = {"strings": list(WORDS[:5]), "int64s": [3, 1, 4, 5, 9], "floats": [0.5, -1.0, 7.5, 2.0, 8.0]}
    x = {"strings": rng.choice(WORDS, (3, 2)), "int64s": rng.integers(0, 10, 6),
         "floats": rng.choice(np.array([0.5, np.nan, 2, 7], np.float32), 5)}[keys]
    return [x], {"keys_" + keys: pool[keys], "values_" + values: pool[values], "default_float": 1.5}, 1


def array_feature_extractor(rng):
    x = features(rng)
    return [x, rng.integers(0, x.shape[1], rng.integers(1, 5))], {}, 1


def zip_map(rng):
    count = rng.integers(1, 5)
    return [reals(rng, rng.integers(1, 4), count)], labels_of(rng, count, "classlabels_int64s"), 1


def linear_regressor(rng):
    x, targets = reals(rng, rng.integers(1, 6), rng.integers(1, 5)), int(rng.integers(1, 4))
    transform = "NONE" if targets == 1 else str(rng.choice(TRANSFORMS))
    return [x], {"targets": targets, "coefficients": lists(reals(rng, targets, x.shape[1])),
                 "intercepts": lists(reals(rng, targets)), "post_transform": transform}, 1


def linear_classifier(rng):
    x, classes = features(rng), int(rng.integers(2, 5))
    rows = 1 if classes == 2 and rng.random() < 0.5 else classes
    return [x], {"coefficients": lists(reals(rng, rows, x.shape[1])), "intercepts": lists(reals(rng, rows)),
                 **labels_of(rng, classes), "post_transform": str(rng.choice(TRANSFORMS))}, 2


def kernel(rng):
    return {"kernel_type": str(rng.choice(["LINEAR", "POLY", "RBF", "SIGMOID"])),
            "kernel_params": [float(rng.uniform(0.05, 0.5)), float(rng.uniform(0, 1)), float(rng.integers(1, 4))]}


def svm_regressor(rng):
    x, count = reals(rng, rng.integers(1, 6), rng.integers(1, 5)), int(rng.integers(1, 6))
    return [x], {**kernel(rng), "support_vectors": lists(reals(rng, count, x.shape[1])), "n_supports": count,
                 "coefficients": lists(reals(rng, count)), "rho": lists(reals(rng, 1)),
                 "one_class": int(rng.random() < 0.3)}, 1


def svm_classifier(rng):
    x, classes = features(rng), int(rng.integers(2, 5))
    sizes, pairs = rng.integers(1, 4, classes).tolist(), classes * (classes - 1) // 2
    count = sum(sizes)
    a = {**kernel(rng), "support_vectors": lists(reals(rng, count, x.shape[1])), "vectors_per_class": sizes,
         "coefficients": lists(reals(rng, classes - 1, count)), "rho": lists(reals(rng, pairs)),
         **labels_of(rng, classes), "post_transform": str(rng.choice(TRANSFORMS))}
    if rng.random() < 0.5:
        a.update(prob_a=lists(-np.abs(reals(rng, pairs))), prob_b=lists(reals(rng, pairs)))
    return [x.astype(np.float32)], a, 2


OPERATORS = {"Scaler": scaler, "Normalizer": normalizer, "Imputer": imputer, "Binarizer": binarizer,
             "OneHotEncoder": one_hot_encoder, "FeatureVectorizer": feature_vectorizer,
             "CategoryMapper": category_mapper, "LabelEncoder": label_encoder,
             "ArrayFeatureExtractor": array_feature_extractor, "ZipMap": zip_map,
             "LinearRegressor": linear_regressor, "LinearClassifier": linear_classifier,
             "SVMRegressor": svm_regressor, "SVMClassifier": svm_classifier}


def model_of(op, inputs, attributes, outputs):
    ins = [helper.make_tensor_value_info(f"x{i}", ELEMENTS[a.dtype.name], [f"d{i}{k}" for k in range(a.ndim)])
           for i, a in enumerate(inputs)]
    outs = [helper.make_empty_tensor_value_info(f"y{i}") for i in range(outputs)]
    node = helper.make_node(op, [v.name for v in ins], [v.name for v in outs], domain="ai.onnx.ml", **attributes)
    model = helper.make_model(helper.make_graph([node], "g", ins, outs), ir_version=9,
                              opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)])
    return model.SerializeToString()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tenon", default="build/release/tenon")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    failed = 0
    for op, draw in OPERATORS.items():
        if arguments.only not in op:
            continue
        tried, wrong = 0, []
        for trial in range(arguments.trials):
            inputs, attributes, outputs = draw(np.random.default_rng([arguments.seed, trial]))
            model = model_of(op, inputs, attributes, outputs)
            feed = {f"x{i}": a for i, a in enumerate(inputs)}
            try:
                expected = exporters.run_peer(model, feed)
            except Exception:  # the peer lacks types that the standard has
                continue
            tried += 1
            with tempfile.TemporaryDirectory() as folder:
                try:
                    why = exporters.difference(exporters.run_tenon(arguments.tenon, model, feed, folder, []), expected)
                except Exception as e:
                    why = str(e)
            if why:
                wrong.append(f"trial {trial}: {why}; {attributes}")
        failed += len(wrong)
        print(f"{op:24} {tried - len(wrong)} of {tried}", *(w[:300] for w in wrong[:3]), sep="\n    " if wrong else "  ", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
