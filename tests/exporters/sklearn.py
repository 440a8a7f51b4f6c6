#!/usr/bin/env python3
"""Models of scikit-learn, XGBoost and LightGBM, through their ONNX converters, run by Tenon and by
ONNX Runtime on the same data.

    tests/exporters/sklearn.py [--tenon build/release/tenon] [--only WORD] [--keep DIR]

Each estimator is fitted on data of a fixed seed, converted, loaded by `tenon run MODEL --inputs
X.npz --outputs Y.npz` and compared, output by output. Numbers may differ by RTOL of the expected one
and ATOL, labels and strings not at all. Prints a line a model. Exits with 0 where all agree, 1 where
one differs or fails, 77 where the packages are absent.
"""
import argparse
import os
import subprocess
import sys
import tempfile
import traceback
import warnings

# This file has the name of the package that it imports.
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path = [p for p in sys.path if os.path.abspath(p or ".") != HERE]

try:
    import numpy as np
    import onnx
    import onnxruntime
    import sklearn
    from skl2onnx import convert_sklearn, update_registered_converter
    from skl2onnx.common import data_types
    from skl2onnx.common.shape_calculator import (calculate_linear_classifier_output_shapes,
                                                  calculate_linear_regressor_output_shapes)
except ImportError as e:
    print(f"skipped: {e}")
    sys.exit(77)

RTOL, ATOL = 1e-4, 1e-5
# What Tenon refuses on purpose: text is taken apart outside the graph.
REFUSED = "operator Tokenizer of domain com.microsoft is not supported"
ROWS, TESTED, FEATURES = 150, 40, 6
warnings.filterwarnings("ignore")


class Problem:
    """Training data, test data and the types of the graph's inputs."""

    def __init__(self, kind):
        from sklearn.datasets import make_blobs, make_regression
        self.kind = kind
        rng = np.random.default_rng(7)
        if kind == "regression":
            x, y = make_regression(ROWS + TESTED, FEATURES, noise=1, random_state=1)
        else:
            centres = 2 if kind == "binary" else 3
            x, y = make_blobs(ROWS + TESTED, FEATURES, centers=centres, cluster_std=6, random_state=1)
        if kind in ("counts", "strings-labels"):
            x = np.round(np.abs(x))
        if kind == "missing":
            x[rng.random(x.shape) < 0.15] = np.nan
        if kind == "regression":
            y = y / 50
        if kind == "strings-labels":
            y = np.array(["red", "green", "blue"])[y]
        x = x.astype(np.float32)
        self.x, self.y = x[:ROWS], y[:ROWS]
        self.feed = {"X": x[ROWS:]}

    def types(self):
        return [("X", data_types.FloatTensorType([None, self.x.shape[1]]))]


class Words(Problem):
    """Columns of strings with few values, some of which are seen in the test only."""

    def __init__(self, unknown=True):
        rng = np.random.default_rng(3)
        words = np.array(["ash", "birch", "cedar", "elm"] + (["yew"] if unknown else []), dtype=object)
        self.kind = "strings"
        self.x = rng.choice(words[:4], (ROWS, 3))
        self.y = (self.x[:, 0] == "ash").astype(np.int64) + (self.x[:, 1] == "elm")
        self.feed = {"X": rng.choice(words, (TESTED, 3))}

    def types(self):
        return [("X", data_types.StringTensorType([None, 3]))]


class Text(Problem):
    def __init__(self):
        rng = np.random.default_rng(5)
        words = "the cat sat on a mat while two dogs ran after one bird".split()
        lines = [" ".join(rng.choice(words, rng.integers(3, 9))) for _ in range(ROWS + TESTED)]
        self.kind = "text"
        self.x, self.y = np.array(lines[:ROWS]), np.arange(ROWS) % 2
        self.feed = {"X": np.array(lines[ROWS:], dtype=object).reshape(-1, 1)}

    def types(self):
        return [("X", data_types.StringTensorType([None, 1]))]


class Table(Problem):
    """A number column with missing values, one without, and one of strings."""

    def __init__(self):
        import pandas
        rng = np.random.default_rng(11)
        rows = ROWS + TESTED
        age = rng.normal(40, 10, rows).astype(np.float32)
        age[rng.random(rows) < 0.1] = np.nan
        table = pandas.DataFrame({"age": age, "pay": rng.normal(3, 1, rows).astype(np.float32),
                                  "town": rng.choice(["Rome", "Oslo", "Bern"], rows)})
        self.kind = "table"
        self.y = (table["pay"] > 3).astype(np.int64)[:ROWS].values
        self.x = table[:ROWS]
        self.feed = {c: table[c].values[ROWS:].reshape(-1, 1) for c in table}
        self.feed["town"] = self.feed["town"].astype(object)

    def types(self):
        return [("age", data_types.FloatTensorType([None, 1])),
                ("pay", data_types.FloatTensorType([None, 1])),
                ("town", data_types.StringTensorType([None, 1]))]


def models():
    """(name, estimator, problem, options of the converter: of the last step, or by class)"""
    from sklearn import (calibration, cluster, compose, decomposition, discriminant_analysis, ensemble,
                         feature_selection, gaussian_process, impute, linear_model,
                         mixture, multiclass, multioutput, naive_bayes, neighbors, neural_network,
                         pipeline, preprocessing, random_projection, svm, tree)
    from sklearn.feature_extraction import text
    pipe = pipeline.make_pipeline
    binary, three, counts = Problem("binary"), Problem("classes"), Problem("counts")
    regression, missing, named = Problem("regression"), Problem("missing"), Problem("strings-labels")
    plain = {"zipmap": False}
    c_locale = {"locale": "C"}  # the peer wants the one that the file names to be installed

    def classifier(name, estimator, problem=three, options=plain):
        return (name, estimator, problem, options)

    out = [
        # Linear models; ZipMap is what the converter does when nothing else is asked for.
        classifier("logistic, binary, zipmap", linear_model.LogisticRegression(), binary, {}),
        classifier("logistic, 3 classes, zipmap", linear_model.LogisticRegression(), three, {}),
        classifier("logistic, string labels, zipmap", linear_model.LogisticRegression(max_iter=500), named, {}),
        classifier("logistic, columns", linear_model.LogisticRegression(), three, {"zipmap": "columns"}),
        classifier("logistic, one against rest",
                   multiclass.OneVsRestClassifier(linear_model.LogisticRegression())),
        classifier("logistic cv", linear_model.LogisticRegressionCV(cv=2, Cs=2), binary),
        classifier("raw scores", linear_model.LogisticRegression(), three, {"zipmap": False, "raw_scores": True}),
        classifier("ridge classifier", linear_model.RidgeClassifier()),
        classifier("sgd log", linear_model.SGDClassifier(loss="log_loss", random_state=0)),
        classifier("sgd hinge", linear_model.SGDClassifier(random_state=0), binary),
        classifier("perceptron", linear_model.Perceptron(random_state=0)),
        classifier("passive aggressive", linear_model.PassiveAggressiveClassifier(random_state=0)),
        classifier("linear discriminant", discriminant_analysis.LinearDiscriminantAnalysis()),
        classifier("quadratic discriminant", discriminant_analysis.QuadraticDiscriminantAnalysis()),
        ("linear regression", linear_model.LinearRegression(), regression, {}),
        ("ridge", linear_model.Ridge(), regression, {}),
        ("lasso", linear_model.Lasso(alpha=0.1), regression, {}),
        ("elastic net", linear_model.ElasticNet(alpha=0.1), regression, {}),
        ("bayesian ridge", linear_model.BayesianRidge(), regression, {}),
        ("huber", linear_model.HuberRegressor(), regression, {}),
        ("poisson", linear_model.PoissonRegressor(), counts, {}),
        ("sgd regressor", linear_model.SGDRegressor(random_state=0), regression, {}),
        ("ransac", linear_model.RANSACRegressor(random_state=0), regression, {}),
        # Support vector machines.
        classifier("svc rbf", svm.SVC(), three),
        classifier("svc rbf, binary", svm.SVC(), binary),
        classifier("svc rbf, probability", svm.SVC(probability=True, random_state=0)),
        classifier("svc rbf, probability, binary", svm.SVC(probability=True, random_state=0), binary),
        classifier("svc rbf, probability, string labels, zipmap",
                   svm.SVC(probability=True, random_state=0), named, {}),
        classifier("svc linear", svm.SVC(kernel="linear")),
        classifier("svc poly", svm.SVC(kernel="poly", degree=2, coef0=1)),
        classifier("svc sigmoid", svm.SVC(kernel="sigmoid", gamma=0.01)),
        classifier("nu svc", svm.NuSVC(nu=0.3)),
        classifier("linear svc", svm.LinearSVC(), three, {}),
        ("svr rbf", svm.SVR(), regression, {}),
        ("svr poly", svm.SVR(kernel="poly"), regression, {}),
        ("nu svr", svm.NuSVR(), regression, {}),
        ("linear svr", svm.LinearSVR(), regression, {}),
        ("one class svm", svm.OneClassSVM(), regression, {}),
        # Trees.
        classifier("decision tree", tree.DecisionTreeClassifier(max_depth=5, random_state=0)),
        classifier("decision tree, binary", tree.DecisionTreeClassifier(max_depth=5, random_state=0), binary),
        classifier("random forest", ensemble.RandomForestClassifier(12, random_state=0)),
        classifier("random forest, binary, zipmap", ensemble.RandomForestClassifier(12, random_state=0), binary, {}),
        classifier("extra trees", ensemble.ExtraTreesClassifier(12, random_state=0)),
        classifier("gradient boosting", ensemble.GradientBoostingClassifier(n_estimators=8, random_state=0)),
        classifier("gradient boosting, binary",
                   ensemble.GradientBoostingClassifier(n_estimators=8, random_state=0), binary),
        classifier("histogram boosting, missing",
                   ensemble.HistGradientBoostingClassifier(max_iter=8, random_state=0), missing),
        classifier("ada boost", ensemble.AdaBoostClassifier(n_estimators=6, random_state=0)),
        classifier("bagging", ensemble.BaggingClassifier(n_estimators=4, random_state=0)),
        classifier("voting", ensemble.VotingClassifier(
            [("a", linear_model.LogisticRegression()), ("b", tree.DecisionTreeClassifier(max_depth=3))], voting="soft",
            flatten_transform=False)),
        classifier("stacking", ensemble.StackingClassifier(
            [("a", linear_model.LogisticRegression()), ("b", tree.DecisionTreeClassifier(max_depth=3))], cv=2)),
        ("isolation forest", ensemble.IsolationForest(n_estimators=10, random_state=0), regression, {}),
        ("tree regressor", tree.DecisionTreeRegressor(max_depth=6, random_state=0), regression, {}),
        ("forest regressor", ensemble.RandomForestRegressor(10, random_state=0), regression, {}),
        ("boosting regressor", ensemble.GradientBoostingRegressor(n_estimators=8, random_state=0), regression, {}),
        ("histogram regressor", ensemble.HistGradientBoostingRegressor(max_iter=8), regression, {}),
        ("ada boost regressor", ensemble.AdaBoostRegressor(n_estimators=5, random_state=0), regression, {}),
        ("several outputs", multioutput.MultiOutputRegressor(linear_model.Ridge()),
         WithTargets(regression), {}),
        # Neighbours, probabilities, networks.
        classifier("neighbours", neighbors.KNeighborsClassifier(4)),
        classifier("nearest centroid", neighbors.NearestCentroid()),
        ("neighbour regressor", neighbors.KNeighborsRegressor(4, weights="distance"), regression, {}),
        classifier("radius", neighbors.RadiusNeighborsClassifier(40.0)),
        classifier("gaussian bayes", naive_bayes.GaussianNB()),
        classifier("multinomial bayes", naive_bayes.MultinomialNB(), counts),
        classifier("bernoulli bayes", naive_bayes.BernoulliNB(binarize=4.0), counts),
        classifier("complement bayes", naive_bayes.ComplementNB(), counts),
        classifier("network", neural_network.MLPClassifier((8,), max_iter=60, random_state=0)),
        ("network regressor", neural_network.MLPRegressor(hidden_layer_sizes=(8,), max_iter=60, random_state=0), regression, {}),
        classifier("calibrated", calibration.CalibratedClassifierCV(svm.LinearSVC(), cv=2)),
        classifier("gaussian process", gaussian_process.GaussianProcessClassifier(), binary),
        ("gaussian process regressor", gaussian_process.GaussianProcessRegressor(alpha=0.1),
         Wide("regression"), {}),
        ("gaussian mixture", mixture.GaussianMixture(3, random_state=0), three, {}),
        ("k means", cluster.KMeans(3, n_init=2, random_state=0), three, {}),
        # Features.
        ("standard scaler", preprocessing.StandardScaler(), three, {}),
        ("min max scaler", preprocessing.MinMaxScaler(clip=True), three, {}),
        ("max abs scaler", preprocessing.MaxAbsScaler(), three, {}),
        ("robust scaler", preprocessing.RobustScaler(), three, {}),
        ("normalizer l1", preprocessing.Normalizer("l1"), three, {}),
        ("normalizer l2", preprocessing.Normalizer("l2"), three, {}),
        ("normalizer max", preprocessing.Normalizer("max"), counts, {}),
        ("binarizer", preprocessing.Binarizer(threshold=0.5), three, {}),
        ("polynomial features", preprocessing.PolynomialFeatures(2), three, {}),
        ("power transform", preprocessing.PowerTransformer(), three, {}),
        ("k bins", preprocessing.KBinsDiscretizer(4, encode="onehot-dense"), three, {}),
        ("k bins, ordinal", preprocessing.KBinsDiscretizer(4, encode="ordinal"), three, {}),
        ("imputer mean", impute.SimpleImputer(), missing, {}),
        ("imputer constant", impute.SimpleImputer(strategy="constant", fill_value=-1), missing, {}),
        ("imputer neighbours", impute.KNNImputer(n_neighbors=3), missing, {}),
        ("one hot, strings", preprocessing.OneHotEncoder(handle_unknown="ignore"), Words(), {}),
        ("one hot, numbers", preprocessing.OneHotEncoder(handle_unknown="ignore"), counts, {}),
        ("ordinal, strings", preprocessing.OrdinalEncoder(), Words(unknown=False), {}),
        ("pca", decomposition.PCA(3), three, {}),
        ("truncated svd", decomposition.TruncatedSVD(3), three, {}),
        ("kernel pca", decomposition.KernelPCA(2, kernel="rbf", gamma=0.01), three, {}),
        ("random projection", random_projection.GaussianRandomProjection(3, random_state=0), three, {}),
        ("select best", feature_selection.SelectKBest(k=3), three, {}),
        ("count words", text.CountVectorizer(), Text(), {text.CountVectorizer: c_locale}),
        ("tfidf", text.TfidfVectorizer(ngram_range=(1, 2)), Text(), {text.TfidfVectorizer: c_locale}),
        # Pipelines.
        classifier("scaler, logistic, zipmap", pipe(preprocessing.StandardScaler(),
                                                    linear_model.LogisticRegression()), three, {}),
        classifier("imputer, scaler, forest", pipe(impute.SimpleImputer(), preprocessing.StandardScaler(),
                                                   ensemble.RandomForestClassifier(8, random_state=0)), missing),
        classifier("union, svc", pipe(pipeline.make_union(preprocessing.StandardScaler(), decomposition.PCA(2)),
                                      svm.SVC(probability=True, random_state=0))),
        classifier("one hot, tree", pipe(preprocessing.OneHotEncoder(handle_unknown="ignore"),
                                         tree.DecisionTreeClassifier(random_state=0)), Words(), {}),
        classifier("tfidf, logistic", pipe(text.TfidfVectorizer(), linear_model.LogisticRegression()), Text(),
                   {text.TfidfVectorizer: c_locale, linear_model.LogisticRegression: plain}),
        classifier("table", pipe(compose.ColumnTransformer([
            ("n", pipe(impute.SimpleImputer(), preprocessing.StandardScaler()), ["age", "pay"]),
            ("t", preprocessing.OneHotEncoder(handle_unknown="ignore"), ["town"])]),
            linear_model.LogisticRegression()), Table(), {}),
    ]
    return out + boosters(binary, three, regression, missing)


class Wide(Problem):
    """The same numbers in double precision, for models that lose too many digits in single."""

    def __init__(self, kind):
        super().__init__(kind)
        self.x, self.feed = self.x.astype(np.float64), {"X": self.feed["X"].astype(np.float64)}

    def types(self):
        return [("X", data_types.DoubleTensorType([None, self.x.shape[1]]))]


class WithTargets(Problem):
    """The same problem with two numbers to learn."""

    def __init__(self, problem):
        self.kind, self.x, self.feed = problem.kind, problem.x, problem.feed
        self.y = np.stack([problem.y, problem.y ** 2], axis=1)


def boosters(binary, three, regression, missing):
    out = []
    plain = {"zipmap": False}
    options = {"nocl": [True, False], "zipmap": [True, False, "columns"]}
    try:
        from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost
        from xgboost import XGBClassifier, XGBRegressor
        update_registered_converter(XGBClassifier, "XGBoostXGBClassifier",
                                    calculate_linear_classifier_output_shapes, convert_xgboost, options=options)
        update_registered_converter(XGBRegressor, "XGBoostXGBRegressor",
                                    calculate_linear_regressor_output_shapes, convert_xgboost)
        out += [("xgboost, binary", XGBClassifier(n_estimators=8, max_depth=3), binary, plain),
                ("xgboost, 3 classes, zipmap", XGBClassifier(n_estimators=8, max_depth=3), three, {}),
                ("xgboost, missing", XGBClassifier(n_estimators=8, max_depth=3), missing, plain),
                ("xgboost regressor", XGBRegressor(n_estimators=8, max_depth=3), regression, {})]
    except ImportError as e:
        print(f"without xgboost: {e}")
    try:
        from lightgbm import LGBMClassifier, LGBMRegressor
        from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm
        update_registered_converter(LGBMClassifier, "LightGbmLGBMClassifier",
                                    calculate_linear_classifier_output_shapes, convert_lightgbm, options=options)
        update_registered_converter(LGBMRegressor, "LightGbmLGBMRegressor",
                                    calculate_linear_regressor_output_shapes, convert_lightgbm,
                                    options={"split": None})
        quiet = {"n_estimators": 8, "max_depth": 3, "verbose": -1}
        out += [("lightgbm, binary", LGBMClassifier(**quiet), binary, plain),
                ("lightgbm, 3 classes, zipmap", LGBMClassifier(**quiet), three, {}),
                ("lightgbm, missing", LGBMClassifier(**quiet), missing, plain),
                ("lightgbm regressor", LGBMRegressor(**quiet), regression, {})]
    except ImportError as e:
        print(f"without lightgbm: {e}")
    return out


def options_of(estimator, options):
    if not options or any(isinstance(key, type) for key in options):
        return options or None
    last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    return {id(last): options}


def convert(estimator, problem, options):
    return convert_sklearn(estimator, initial_types=problem.types(), options=options_of(estimator, options),
                           target_opset={"": 18, "ai.onnx.ml": 3}).SerializeToString()


def flattened(name, value, out):
    """As `tenon run --outputs` names the members of sequences and maps."""
    if isinstance(value, dict):
        keys = sorted(value)
        values = np.array([value[k] for k in keys], dtype=np.float32)  # Python has no other float
        out[name + "/keys"], out[name + "/values"] = np.array(keys), values
    elif isinstance(value, list):
        for i, item in enumerate(value):
            flattened(f"{name}/{i}", item, out)
    else:
        out[name] = np.asarray(value)


def run_peer(model, feed):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    out = {}
    for port, value in zip(session.get_outputs(), session.run(None, feed)):
        flattened(port.name, value, out)
    return out


def run_tenon(tenon, model, feed, folder, how):
    path = os.path.join(folder, "model.onnx")
    with open(path, "wb") as f:
        f.write(model)
    numbers = {k: v for k, v in feed.items() if v.dtype != object}
    command = [tenon, "run", path, "--outputs", os.path.join(folder, "Y.npz"), "--threads", "1"] + how
    if numbers:
        np.savez(os.path.join(folder, "X.npz"), **numbers)
        command += ["--inputs", os.path.join(folder, "X.npz")]
    for i, (k, v) in enumerate((k, v) for k, v in feed.items() if v.dtype == object):
        tensor = onnx.helper.make_tensor(k, onnx.TensorProto.STRING, v.shape, [s.encode() for s in v.ravel()])
        with open(os.path.join(folder, f"X{i}.pb"), "wb") as f:
            f.write(tensor.SerializeToString())
        command += ["--input", f"{k}={folder}/X{i}.pb"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise RuntimeError(" / ".join(line.strip() for line in done.stderr.strip().split("\n"))[:400])
    with np.load(os.path.join(folder, "Y.npz")) as y:
        return {k: y[k] for k in y.files}


def difference(got, expected):
    """Empty where all outputs agree."""
    if set(got) != set(expected):
        return f"outputs {sorted(got)[:4]}, expected {sorted(expected)[:4]}"
    for name, e in expected.items():
        g = got[name]
        if g.shape != e.shape:
            return f"{name} has shape {list(g.shape)}, expected {list(e.shape)}"
        if e.dtype.kind in "OUS":
            bad = g.astype(str) != e.astype(str)
        elif e.dtype.kind == "f":
            if g.dtype != e.dtype:
                return f"{name} is {g.dtype}, expected {e.dtype}"
            same = (g == e) | (np.isnan(g) & np.isnan(e)) | (np.abs(g - e) <= ATOL + RTOL * np.abs(e))
            bad = ~same
        else:
            bad = g != e
        if bad.any():
            i = tuple(np.argwhere(bad)[0])
            return f"{name}{list(map(int, i))} is {g[i]}, expected {e[i]} ({int(bad.sum())} of {bad.size} differ)"
    return ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tenon", default="build/release/tenon")
    parser.add_argument("--only", default="", help="models whose name holds this")
    parser.add_argument("--keep", help="a folder for the models")
    arguments = parser.parse_args()
    if not os.access(arguments.tenon, os.X_OK):
        sys.exit(f"{arguments.tenon} is no program; build it, or give --tenon")
    counted = {"ok": 0, "DIFFERS": 0, "FAILS": 0, "refused": 0, "no peer": 0}
    for name, estimator, problem, options in models():
        if arguments.only not in name:
            continue
        try:
            estimator.fit(problem.x, problem.y)
            model = convert(estimator, problem, options)
            expected = run_peer(model, problem.feed)
        except Exception as e:  # what the converter or the peer cannot do is no question to Tenon
            print(f"{name:48}  no peer  {type(e).__name__}: {str(e).strip().splitlines()[0][:140]}")
            counted["no peer"] += 1
            continue
        if arguments.keep:
            os.makedirs(arguments.keep, exist_ok=True)
            file = "".join(c if c.isalnum() else "_" for c in name) + ".onnx"
            with open(os.path.join(arguments.keep, file), "wb") as f:
                f.write(model)
        word, why = "ok", ""
        for how in ([], ["--reference"]):
            with tempfile.TemporaryDirectory() as folder:
                try:
                    why = difference(run_tenon(arguments.tenon, model, problem.feed, folder, how), expected)
                    word = "DIFFERS" if why else "ok"
                except Exception as e:
                    word, why = "FAILS", str(e) or traceback.format_exc()
                    if why.endswith(REFUSED):
                        word, why = "refused", REFUSED
            if word != "ok":
                why += " (--reference)" if how else ""
                break
        counted[word] += 1
        print(f"{name:48}  {word:8} {why}", flush=True)
    tried = counted["ok"] + counted["DIFFERS"] + counted["FAILS"]
    print(f"{counted['ok']} of {tried} models agree with ONNX Runtime {onnxruntime.__version__} "
          f"(scikit-learn {sklearn.__version__}); {counted['refused']} are refused on purpose, "
          f"{counted['no peer']} could not be made or run by the peer")
    sys.exit(0 if counted["ok"] == tried and tried else 1)


if __name__ == "__main__":
    main()
