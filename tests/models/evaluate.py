"""What every model of the shared folder is worth on the shared data, by ONNX Runtime: the figures that the C++ tests ask of Tenon.

    pip install numpy onnx onnxruntime pillow
    python evaluate.py [--shared ../../../shared] [NAME ...]     # prints a table; writes answers.json when all are run

README.md beside this script states each preparation and metric in words. Nothing is left to a library that C++ does not have: pictures are
decoded by a JPEG decoder (which may differ by a level), and resized, filtered and resampled by the formulas below.
"""

import argparse
import base64
import csv
import gzip
import json
import math
import pathlib
import struct
import wave

import numpy as np
import onnxruntime
from PIL import Image

HERE = pathlib.Path(__file__).resolve().parent
SHARED = HERE.parents[2] / "shared"
MEAN, STD = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)

# --- reading --------------------------------------------------------------------------------------------------------------------------


def session(path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(SHARED / "models" / path), options, providers=["CPUExecutionProvider"])


def runner(path):
    """A function from the inputs, in their order, to the list of outputs."""
    s = session(path)
    names = [i.name for i in s.get_inputs()]
    return lambda *inputs: s.run(None, dict(zip(names, inputs)))


def runner_in_double(path):
    """The same of one input, evaluated in float64 throughout: what an engine that rounds to float32 after every node comes near to."""
    import onnx
    from onnx import numpy_helper
    from onnx.reference import ReferenceEvaluator
    from onnx.reference.op_run import OpRun

    class GlobalMaxPool(OpRun):  # the evaluator's own takes no tensors of rank 3
        def _run(self, x):
            return (x.max(axis=tuple(range(2, x.ndim)), keepdims=True),)

    def widen(tensor):
        if tensor.data_type == onnx.TensorProto.FLOAT:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name))

    model = onnx.load(SHARED / "models" / path)
    for tensor in model.graph.initializer:
        widen(tensor)
    for node in model.graph.node:
        for a in node.attribute:
            if a.type == onnx.AttributeProto.TENSOR:
                widen(a.t)
            if node.op_type == "Cast" and a.name == "to" and a.i == onnx.TensorProto.FLOAT:
                a.i = onnx.TensorProto.DOUBLE
    run, name = ReferenceEvaluator(model, new_ops=[GlobalMaxPool]), model.graph.input[0].name
    return lambda x: run.run(None, {name: x})


def picture(path):
    """[h, w, 3] of whole levels 0..255 as float32."""
    return np.asarray(Image.open(SHARED / "data" / path).convert("RGB"), np.float32)


def sound(name):
    """Samples as int16, and the rate."""
    with wave.open(str(SHARED / "data/audio" / name)) as w:
        return np.frombuffer(w.readframes(w.getnframes()), "<i2"), w.getframerate()


def idx(path):
    data = gzip.decompress((SHARED / "data" / path).read_bytes())
    rank = data[3]
    shape = struct.unpack(f">{rank}I", data[4 : 4 + 4 * rank])
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)


def resize_weights(n_in, n_out):
    """[n_out, n_in]: a triangle as wide as the step between outputs when shrinking, as the step between inputs when enlarging."""
    step = n_in / n_out
    reach = max(step, 1.0)
    weights = np.zeros((n_out, n_in))
    for o in range(n_out):
        centre = (o + 0.5) * step
        for i in range(max(0, math.floor(centre - reach)), min(n_in, math.ceil(centre + reach))):
            weights[o, i] = max(0.0, 1 - abs((i + 0.5 - centre) / reach))
        weights[o] /= weights[o].sum()
    return weights.astype(np.float32)


def resize(image, h, w):
    """Columns first, then rows; each rounded to whole levels (halves up)."""
    across = np.floor(np.einsum("hwc,ow->hoc", image, resize_weights(image.shape[1], w), optimize=True) + np.float32(0.5))
    return np.floor(np.einsum("hwc,oh->owc", across, resize_weights(image.shape[0], h), optimize=True) + np.float32(0.5))


def nchw(image):
    return np.ascontiguousarray(image.transpose(2, 0, 1)[None], np.float32)


# --- pictures -------------------------------------------------------------------------------------------------------------------------


def imagenet_picture(path):
    image = picture(path)
    h, w, _ = image.shape
    image = resize(image, 256, 256 * w // h) if h <= w else resize(image, 256 * h // w, 256)
    top, left = (image.shape[0] - 224) // 2, (image.shape[1] - 224) // 2
    return nchw((image[top : top + 224, left : left + 224] / 255 - MEAN) / STD)


def mobilenet(path, dtype=np.float32):
    run = runner(path)
    top1 = top5 = count = 0
    for row in imagenet_rows():
        if int(row["class_index"]) % 5 == 0:
            best = np.argsort(-run(imagenet_picture(f"imagenet_samples/{row['file']}").astype(dtype))[0][0].astype(np.float32))
            top1 += best[0] == int(row["class_index"])
            top5 += int(row["class_index"]) in best[:5]
            count += 1
    return {"pictures": count, "top1": int(top1), "top5": int(top5)}


def imagenet_rows():
    return list(csv.DictReader(open(SHARED / "data/imagenet_samples/labels.tsv"), delimiter="\t"))


def cifar10(path):
    run = runner(path)
    records = np.fromfile(SHARED / "data/cifar10/cifar10_100.bin", np.uint8).reshape(-1, 3073)
    mean, std = np.array([0.4914, 0.4822, 0.4465], np.float32), np.array([0.2023, 0.1994, 0.2010], np.float32)
    images = (records[:, 1:].reshape(-1, 3, 32, 32).astype(np.float32) / 255 - mean[:, None, None]) / std[:, None, None]
    return {"pictures": len(images), "right": int(sum(run(x[None])[0].argmax() == r[0] for x, r in zip(images, records)))}


def mnist():
    run = runner("mnist/mnist.onnx")
    images, labels = idx("mnist/t10k-first5000-images-idx3-ubyte.gz"), idx("mnist/t10k-first5000-labels-idx1-ubyte.gz")
    right = np.array([run(x[None, None].astype(np.float32))[0].argmax() == y for x, y in zip(images, labels)])
    return {"first_500": int(right[:500].sum()), "all_5000": int(right.sum())}


def overlap(a, b):
    """Intersection over union of (x0, y0, x1, y1)."""
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    common = max(0.0, w) * max(0.0, h)
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)


def suppressed(found, limit):
    """Of (score, class, box), the best first, those that overlap no better one of their class by more than `limit`."""
    kept = []
    for f in sorted(found, key=lambda f: -f[0]):
        if all(f[1] != k[1] or overlap(f[2], k[2]) <= limit for k in kept):
            kept.append(f)
    return kept


def sigmoid(x):
    return 1 / (1 + np.exp(-x.astype(np.float64)))


def yolox_detect(run, image):
    h, w, _ = image.shape
    scale = min(640 / h, 640 / w)
    new_h, new_w = int(h * scale), int(w * scale)
    top, left = (640 - new_h) // 2, (640 - new_w) // 2
    canvas = np.full((640, 640, 3), 128, np.float32)
    canvas[top : top + new_h, left : left + new_w] = resize(image, new_h, new_w)
    flat = run(nchw((canvas / 255 - MEAN) / STD))[0].ravel()
    found, at = [], 0
    for stride in (8, 16, 32):
        side = 640 // stride
        block = flat[at : at + 85 * side * side].reshape(85, side, side)
        at += 85 * side * side
        score = sigmoid(block[4]) * sigmoid(block[5:])
        for c, y, x in zip(*np.where(score >= 0.3)):
            cx, cy = (float(block[0, y, x]) + x) * stride, (float(block[1, y, x]) + y) * stride
            bw, bh = math.exp(block[2, y, x]) * stride, math.exp(block[3, y, x]) * stride
            box = [(cx - bw / 2 - left) / scale, (cy - bh / 2 - top) / scale, (cx + bw / 2 - left) / scale, (cy + bh / 2 - top) / scale]
            found.append((float(score[c, y, x]), int(c), box))
    return suppressed(found, 0.45)


# ImageNet pictures that show one of the 80 COCO classes: class index there, class id here.
COCO = {
    156: 16, 211: 16, 235: 16, 250: 16, 251: 16, 281: 15, 285: 15, 295: 21, 296: 21, 340: 22, 345: 19, 385: 20, 386: 20, 466: 6, 511: 2,
    555: 7, 620: 63, 651: 68, 670: 3, 671: 1, 675: 7, 705: 6, 760: 72, 761: 65, 795: 30, 805: 32, 820: 6, 831: 57, 850: 77, 851: 62,
    861: 61, 895: 4, 920: 9, 950: 49, 965: 48,
}  # fmt: skip


def yolox():
    run = runner("yolox_nano/yolox_nano.onnx")
    files = {int(r["class_index"]): r["file"] for r in imagenet_rows()}
    right = [i for i, c in COCO.items() if any(d[1] == c for d in yolox_detect(run, picture(f"imagenet_samples/{files[i]}")))]
    people = {}
    for name in ("13", "19", "2", "23"):
        found = [d for d in yolox_detect(run, picture(f"faces/{name}.jpg")) if d[1] == 0]
        people[name] = [[round(float(v), 1) for v in d[2]] for d in found]
    return {"pictures": len(COCO), "right": len(right), "people": people}


def ultraface():
    run = runner("ultraface_rfb320/version-RFB-320.onnx")
    faces = {}
    for name in ("13", "19", "2", "23", "8"):
        image = picture(f"faces/{name}.jpg")
        scores, boxes = run(nchw((resize(image, 240, 320) - 127) / 128))
        found = [(float(s), 0, b.tolist()) for s, b in zip(scores[0, :, 1], boxes[0]) if s > 0.7]
        faces[name] = [[round(v, 4) for v in f[2]] for f in suppressed(found, 0.5)]
    return {"faces": faces}


def components(mask):
    """The 8-connected sets of true pixels, as lists of (y, x), in the order of their first pixel."""
    left = mask.copy()
    out = []
    for y, x in zip(*np.where(mask)):
        if left[y, x]:
            left[y, x] = False
            stack, pixels = [(y, x)], []
            while stack:
                y0, x0 = stack.pop()
                pixels.append((y0, x0))
                for y1 in range(max(0, y0 - 1), min(mask.shape[0], y0 + 2)):
                    for x1 in range(max(0, x0 - 1), min(mask.shape[1], x0 + 2)):
                        if left[y1, x1]:
                            left[y1, x1] = False
                            stack.append((y1, x1))
            out.append(pixels)
    return out


class TextReader:
    """Detection, orientation and recognition of PP-OCRv4."""

    def __init__(self):
        self.detect = runner("ppocr_v4/ch_PP-OCRv4_det_infer.onnx")
        self.turned = runner("ppocr_v4/ch_ppocr_mobile_v2.0_cls_infer.onnx")
        self.recognise = runner("ppocr_v4/ch_PP-OCRv4_rec_infer.onnx")
        lines = (SHARED / "models/ppocr_v4/ppocr_keys_v1.txt").read_text("utf-8").split("\n")
        self.letters = [""] + lines[:-1] + [" "] if lines[-1] == "" else [""] + lines + [" "]

    def boxes(self, image):
        h, w, _ = image.shape
        scale = min(1.0, 960 / max(h, w))
        new_h, new_w = (max(32, 32 * math.floor(v * scale / 32 + 0.5)) for v in (h, w))
        chance = self.detect(nchw((resize(image, new_h, new_w) / 255 - MEAN) / STD))[0][0, 0]
        out = []
        for pixels in components(chance > 0.3):
            ys, xs = [p[0] for p in pixels], [p[1] for p in pixels]
            x0, y0, x1, y1 = min(xs), min(ys), max(xs) + 1, max(ys) + 1
            if min(x1 - x0, y1 - y0) < 3 or np.mean([chance[p] for p in pixels]) < 0.6:
                continue
            grow = 1.5 * (x1 - x0) * (y1 - y0) / (2 * (x1 - x0 + y1 - y0))
            sx, sy = w / new_w, h / new_h
            box = [(x0 - grow) * sx, (y0 - grow) * sy, (x1 + grow) * sx, (y1 + grow) * sy]
            out.append([max(0, math.floor(box[0])), max(0, math.floor(box[1])), min(w, math.ceil(box[2])), min(h, math.ceil(box[3]))])
        return out

    def text(self, crop):
        h, w, _ = crop.shape
        if h >= 1.5 * w:
            crop = np.rot90(crop)
            h, w = w, h
        canvas = np.zeros((48, 192, 3), np.float32)
        new_w = min(192, math.ceil(48 * w / h))
        canvas[:, :new_w] = (resize(crop, 48, new_w) / 255 - 0.5) / 0.5
        if self.turned(nchw(canvas))[0][0, 1] > 0.9:
            crop = crop[::-1, ::-1]
        line = self.recognise(nchw((resize(crop, 48, max(48, math.ceil(48 * w / h))) / 255 - 0.5) / 0.5))[0][0]
        return ctc(line.argmax(1), self.letters)

    def read(self, image):
        return [(b, self.text(image[b[1] : b[3], b[0] : b[2]])) for b in self.boxes(image)]


def ctc(ids, letters):
    """Repeats merged, blanks (0) dropped."""
    return "".join(letters[i] for at, i in enumerate(ids) if i and (at == 0 or ids[at - 1] != i))


# Lines that a person reads on three of the pictures.
PRINTED = {
    "11.jpg": [
        "纯臻营养护发素", "产品信息/参数", "(45元/每公斤，100公斤起订）", "每瓶22元，1000瓶起订）", "【品牌】：代加工方式/OEMODM", "【品名】：纯臻营养护发素",
        "【产品编号】：YM-X-3011", "【净含量】：220ml", "【适用人群】：适合所有肤质", "【主要成分】：鲸蜡硬脂醇、燕麦β-葡聚", "糖、椰油酰胺丙基甜菜碱、泛醌",
        "（成品包材）", "【主要功能】：可紧致头发磷层，从而达到", "即时持久改善头发光泽的效果，给干燥的头", "发足够的滋养",
    ],
    "00018069.jpg": [
        "代号", "项目", "结果", "参考值", "单位", "ALT", "谷丙转氨酶", "25.6", "0--40", "U/L", "TBIL", "总胆红素", "11.2", "<20", "umol/L", "DBIL",
        "直接胆红素", "3.3", "0--7", "umol/L", "IBIL", "间接胆红素", "7.9", "1.5--15", "umol/L", "TP", "总蛋白", "58.9↓", "60--80", "g/L", "ALB",
        "白蛋白", "35.1", "33--55", "g/L", "GLO", "球蛋白", "23.8", "20--30", "g/L", "A/G", "白球比", "1.5", "1.5--2.5", "ALP", "碱性磷酸酶", "93",
        "15--112", "IU/L", "GGT", "谷氨酰转肽酶", "14.3", "<50", "U/L", "AST", "谷草转氨酶", "16.3", "8--40", "U/L", "LDH", "乳酸脱氢酶", "167",
        "114--240", "U/L", "ADA", "腺甘脱氨酶", "12.6", "4--24", "U/L",
    ],
    "00009282.jpg": [
        "Meters/bonwe", "洗涤说明", "最高洗涤温度30℃", "常规程序", "不可漂白", "悬挂晾干", "熨斗底板最高温度110℃", "常规干洗", "注意事项：",
        "分开洗涤，不宜长时间浸泡，有", "钮扣或拉链的服饰先将钮扣或拉链", "扣好，熨烫时采用仅蒸汽熨烫。",
    ],
}  # fmt: skip


def ocr():
    reader = TextReader()
    texts = {}
    for path in sorted((SHARED / "data/ocr").glob("*.jpg")):
        if path.read_bytes()[:2] != b"\xff\xd8":
            continue  # two are WebP pictures, in spite of their names
        texts[path.name] = [[b, t] for b, t in reader.read(picture(f"ocr/{path.name}"))]
    right = total = 0
    for name, lines in PRINTED.items():
        left = [t.replace(" ", "") for _, t in texts[name]]
        total += len(lines)
        for line in lines:
            if line in left:
                left.remove(line)
                right += 1
    return {"lines": total, "lines_right": right, "texts": texts}


def plain_letters(text):
    """Letters, digits and Chinese characters, capitals made small."""
    return "".join(c for c in text.lower() if c.isascii() and c.isalnum() or "\u4e00" <= c <= "\u9fff")


def distance(a, b):
    """Levenshtein distance of two sequences."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row = row, [i]
        for j, y in enumerate(b, 1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (x != y)))
    return row[-1]


def ddddocr():
    """The lines of the pictures of PRINTED, cut out where `ppocr_v4` found one that is printed there."""
    run = runner("ddddocr_crnn_int8/common_old.onnx")
    letters = json.loads((SHARED / "models/ddddocr_crnn_int8/common_old.json").read_text("utf-8"))
    reader = TextReader()
    crops, wrong, total = [], 0, 0
    for name, lines in PRINTED.items():
        image = picture(f"ocr/{name}")
        for box, text in reader.read(image):
            text = text.replace(" ", "")
            if text in lines and plain_letters(text):
                crop = luma(image[box[1] : box[3], box[0] : box[2]])
                h, w, _ = crop.shape
                line = run(nchw((resize(crop, 64, max(64, 64 * w // h)) / 255 - 0.5) / 0.5))[0][:, 0]
                wrong += distance(plain_letters(ctc(line.argmax(1), letters)), plain_letters(text))
                total += len(plain_letters(text))
                crops.append([name, box, text])
    return {"letters": total, "wrong": wrong, "crops": crops}


def luma(image):
    """[h, w, 1] of whole levels."""
    return np.floor(0.299 * image[..., :1] + 0.587 * image[..., 1:2] + 0.114 * image[..., 2:] + 0.5).astype(np.float32)


def psnr(a, b):
    return 10 * math.log10(1 / np.mean((a.astype(np.float64) - b) ** 2))


def super_resolution():
    run = runner("super_resolution/pytorch_super_resolution.onnx")
    better, plain = [], []
    for name in ("faces/19.jpg", "faces/23.jpg"):
        image = picture(name)
        top, left = (image.shape[0] - 672) // 2, (image.shape[1] - 672) // 2
        sharp = luma(image[top : top + 672, left : left + 672])
        small = resize(sharp, 224, 224)
        better.append(psnr(run(nchw(small / 255))[0][0, 0], sharp[..., 0] / 255))
        plain.append(psnr(resize(small, 672, 672) / 255, sharp / 255))
    return {"psnr": [round(v, 3) for v in better], "psnr_of_resize": [round(v, 3) for v in plain]}


def low_light():
    """Pictures darkened to a quarter: how much nearer to the bright ones the model brings them."""
    run = runner("sci_lowlight/sci_medium_512x512.onnx")
    better, dark = [], []
    for row in imagenet_rows()[:100:10]:
        bright = resize(picture(f"imagenet_samples/{row['file']}"), 512, 512) / 255
        better.append(psnr(run(nchw(bright / 4))[0][0].transpose(1, 2, 0), bright))
        dark.append(psnr(bright / 4, bright))
    return {"psnr": round(float(np.mean(better)), 3), "psnr_of_dark": round(float(np.mean(dark)), 3)}


# --- sound ----------------------------------------------------------------------------------------------------------------------------


class Vocabulary:
    """Pieces in the layout of llama2.c: u32 longest, then f32 score, i32 length, bytes."""

    def __init__(self, path):
        data, at = path.read_bytes(), 4
        self.pieces = []
        while at < len(data):
            (length,) = struct.unpack_from("<i", data, at + 4)
            self.pieces.append(data[at + 8 : at + 8 + length])
            at += 8 + length

    def text(self, ids):
        out = b""
        for i in ids:
            piece = self.pieces[i] if 2 < i < len(self.pieces) else b""
            out += bytes([int(piece[3:5], 16)]) if len(piece) == 6 and piece.startswith(b"<0x") else piece
        return out.decode("utf-8", "replace").strip()


def word_errors(said, truth):
    """Levenshtein distance of the words, case and punctuation aside, and the number of true words."""
    said, truth = ([plain_letters(w) for w in t.split()] for t in (said, truth))
    return distance(said, truth), len(truth)


TRUTH = {
    "jfk_16k.wav": "And so, my fellow Americans, ask not what your country can do for you, ask what you can do for your country.",
    "1272-141231-0002.wav": "the cut on his chest still dripping blood the ache of his overstrained eyes even the soaring arena around him with the "
    "thousands of spectators were trivialities not worth thinking about",
}


def moonshine():
    encode, decoder = runner("moonshine_tiny/encoder_model.onnx"), session("moonshine_tiny/decoder_model_merged.onnx")
    vocabulary = Vocabulary(SHARED / "models/moonshine_tiny/llama2_tokenizer.bin")
    stored = json.loads((SHARED / "models/moonshine_tiny/reference_transcripts.json").read_text())
    out = {}
    for name, truth in TRUTH.items():
        hidden = encode(sound(name)[0].astype(np.float32)[None] / 32768)[0]
        outputs = [o.name for o in decoder.get_outputs()]
        cache = {i.name: np.zeros((1, 8, 0, 36), np.float32) for i in decoder.get_inputs() if i.name.startswith("past")}
        ids = [1]
        while ids[-1] != 2 and len(ids) < 200:
            feeds = {"input_ids": np.array([[ids[-1]]]), "encoder_hidden_states": hidden, "use_cache_branch": np.array([len(ids) > 1])}
            result = dict(zip(outputs, decoder.run(outputs, feeds | cache)))
            for past in cache:
                if len(ids) == 1 or ".decoder." in past:
                    cache[past] = result[past.replace("past_key_values", "present")]
            ids.append(int(result["logits"][0, -1].argmax()))
        text = vocabulary.text(ids)
        errors, words = word_errors(text, truth)
        same = ids == stored[name]["ids"]
        out[name] = {"ids": ids, "as_stored": same, "text": text, "stored_text": text == stored[name]["text"], "word_errors": errors, "words": words}
    return out


def speech_segments(chances):
    """(first, end) in chunks: begins at a chance of 0.5, ends where it stays under 0.35 for 4 chunks (128 ms); shorter than 8 is dropped."""
    segments, begin, quiet = [], None, None
    for at, p in enumerate(chances):
        if begin is None:
            if p >= 0.5:
                begin, quiet = at, None
        elif p >= 0.5:
            quiet = None
        elif p < 0.35 or quiet is not None:
            quiet = at if quiet is None else quiet
            if at - quiet >= 4:
                segments.append([begin, quiet])
                begin = None
    if begin is not None:
        segments.append([begin, len(chances)])
    return [s for s in segments if s[1] - s[0] >= 8]


def silero(path):
    s = session(path)
    x = sound("speech_test_60s.wav")[0].astype(np.float32) / 32768
    x = np.concatenate([np.zeros(64, np.float32), x])
    state, chances = np.zeros((2, 1, 128), np.float32), []
    for at in range(0, len(x) - 64 - 511, 512):
        p, state = s.run(["output", "stateN"], {"input": x[None, at : at + 576], "state": state, "sr": np.array(16000)})
        chances.append(float(p[0, 0]))
    segments = speech_segments(chances)
    speech = sum(b - a for a, b in segments)
    return {"chunks": len(chances), "speech_chunks": speech, "segments": segments, "mean": round(float(np.mean(chances)), 5)}


def wake_word():
    mel, embed, score = (runner(f"openwakeword/{n}.onnx") for n in ("melspectrogram", "embedding_model", "hello_deepa"))
    out = {}
    for name in ("jfk_16k.wav", "1272-141231-0002.wav", "speech_test_60s.wav"):
        frames = mel(sound(name)[0].astype(np.float32)[None])[0].reshape(-1, 32) / 10 + 2
        starts = range(0, len(frames) - 75, 8)
        vectors = np.concatenate([embed(frames[None, at : at + 76, :, None].astype(np.float32))[0].reshape(1, 96) for at in starts])
        scores = [float(score(vectors[None, at : at + 25])[0][0, 0]) for at in range(len(vectors) - 24)]
        highest, mean = float(f"{max(scores):.4g}"), round(float(vectors.mean()), 4)
        out[name] = {"frames": len(frames), "embeddings": len(vectors), "highest": highest, "vector_mean": mean}
    return out


def dnsmos():
    run = runner("dnsmos/sig_bak_ovr.onnx")
    out = {}
    for name in ("jfk_16k.wav", "1272-141231-0002.wav", "speech_test_60s.wav"):
        raw = run(sound(name)[0][:144160].astype(np.float32)[None] / 32768)[0][0]
        noise = (0.1 * noise_like(144160)).astype(np.float32)
        noisy = run((sound(name)[0][:144160].astype(np.float32) / 32768 + noise)[None])[0][0]
        out[name] = {"clean": [round(float(v), 4) for v in raw], "noisy": [round(float(v), 4) for v in noisy]}
    return out


def noise_like(count):
    """Uniform in -1..1 by splitmix64 from 1, as the references make it."""
    with np.errstate(over="ignore"):
        z = np.uint64(1) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return ((z >> np.uint64(40)).astype(np.float64) * 2.0**-23 - 1).astype(np.float32)


def halved(x):
    """Every second sample after a low pass of 127 taps: sinc(k / 2) / 2 under a Hann window over -64..64."""
    k = np.arange(-63, 64)
    taps = np.sinc(k / 2) / 2 * (0.5 + 0.5 * np.cos(np.pi * k / 64))
    padded = np.pad(x.astype(np.float64), 63)
    return np.convolve(padded, taps, "valid")[::2].astype(np.float32)


def basic_pitch():
    run = runner("basic_pitch/nmp.onnx")
    x = halved(sound("vocadito_10.wav")[0].astype(np.float32) / 32768)
    hop, ahead = 43844 - 30 * 256, 15 * 256
    padded = np.concatenate([np.zeros(ahead, np.float32), x])
    parts = []
    for at in range(0, len(padded), hop):
        window = padded[at : at + 43844]
        window = np.pad(window, (0, 43844 - len(window)))
        parts.append([o[0, 15:-15] for o in run(window[None, :, None])])
    stored = np.load(SHARED / "data/audio/vocadito_10_model_output.npz")
    outputs = dict(zip(("onset", "note", "contour"), (np.concatenate(p) for p in zip(*parts))))
    figures = {"frames": len(stored["note"])}
    for name, values in outputs.items():
        gap = np.abs(values[: len(stored[name])] - stored[name])
        figures[name] = {"mean": round(float(gap.mean()), 5), "agree": round(float(((values[: len(gap)] > 0.3) == (stored[name] > 0.3)).mean()), 5)}
    return figures


# --- tables, bytes and tokens ---------------------------------------------------------------------------------------------------------


def magika_features(content):
    beg = content[:4096].lstrip()[:1024]
    end = content[-4096:].rstrip()[-1024:]
    return np.array([[*beg] + [256] * (1024 - len(beg)) + [256] * (1024 - len(end)) + [*end]], np.int32)


def magika():
    run = runner("magika_v3_3/model.onnx")
    labels = json.loads((SHARED / "models/magika_v3_3/config.min.json").read_text())["target_labels_space"]
    examples = json.loads(gzip.decompress((SHARED / "data/magika/standard_v3_3-inference_examples_by_content.json.gz").read_bytes()))
    in_double = runner_in_double("magika_v3_3/model.onnx")
    count = right = near = 0
    scores = []
    for e in examples:
        if e["prediction"]["dl"] != "undefined" and e["prediction_mode"] == "best_guess":
            features = magika_features(base64.b64decode(e["content_base64"]))
            chances = run(features)[0][0]
            count += 1
            right += labels[chances.argmax()] == e["prediction"]["dl"]
            scores.append(round(float(in_double(features)[0][0][chances.argmax()]), 7))
            near += abs(float(chances.max()) - scores[-1]) < 1e-4
    return {"examples": count, "label_right": int(right), "score_within_1e-4": near, "scores_in_float64": scores}


def ncf():
    run = runner("ncf_ml1m/ncf.onnx")
    hits, gain, users = 0, 0.0, 600
    for line in (SHARED / "data/movielens_1m_ncf/test.negative").read_text().splitlines()[:users]:
        fields = line.split("\t")
        user, item = map(int, fields[0].strip("()").split(","))
        scores = [run(np.array([[user]]), np.array([[i]]))[0][0, 0] for i in [item, *map(int, fields[1:])]]
        rank = sum(s >= scores[0] for s in scores[1:])
        hits += rank < 10
        gain += 1 / math.log2(rank + 2) if rank < 10 else 0
    return {"users": users, "hits_at_10": int(hits), "ndcg_at_10": round(gain / users, 5)}


def time_mixer():
    run = runner("tiny_time_mixer/TinyTimeMixer.onnx")
    rows = np.array([[float(v) for v in r[1:]] for r in list(csv.reader(open(SHARED / "data/etth1/ETTh1.csv")))[1:]])
    rows = (rows - rows[:8640].mean(0)) / rows[:8640].std(0)
    squares, gaps, windows = [], [], 0
    for at in range(11520, 14400 - 96, 29):
        gap = run(rows[None, at - 512 : at].astype(np.float32))[0][0] - rows[at : at + 96]
        squares.append((gap**2).mean())
        gaps.append(np.abs(gap).mean())
        windows += 1
    return {"windows": windows, "mse": round(float(np.mean(squares)), 5), "mae": round(float(np.mean(gaps)), 5)}


def cgan():
    """The generator draws a scene at a distance, the discriminator behind it reads the distance: they should agree."""
    run = runner("cgan/cGAN_imgSz32_nCh_3.onnx")
    noise = noise_like(404).reshape(101, 4)
    gaps = [abs(float(run(np.array([[d / 100, *n]], np.float32))[0][0, 0]) - d / 100) for d, n in enumerate(noise)]
    return {"points": 101, "mean_gap": round(float(np.mean(gaps)), 5), "largest_gap": round(max(gaps), 5)}


def llama():
    s = session("llama_kv_260k/stories260K_decoder_kv.onnx")
    stored = json.loads((SHARED / "models/llama_kv_260k/reference_greedy.json").read_text())
    ids = [stored["start_id"]]
    outputs = [o.name for o in s.get_outputs()]
    empty = {i.name: np.zeros((1, 4, 0, 8), np.float32) for i in s.get_inputs()[1:]}
    cache = empty
    while len(ids) < len(stored["greedy_ids"]):
        result = dict(zip(outputs, s.run(outputs, {"input_ids": np.array([ids[-1:]])} | cache)))
        cache = {name: result[name.replace("past_key_values", "present")] for name in cache}
        ids.append(int(result["logits"][0, -1].argmax()))
    at_once = s.run(["logits"], {"input_ids": np.array([ids[:-1]])} | empty)[0][0].argmax(1)
    same = sum(a == b for a, b in zip(ids, stored["greedy_ids"]))
    return {"ids": len(ids), "as_stored": same, "at_once_as_stored": int((at_once == stored["greedy_ids"][1:]).sum())}


MODELS = {
    "mobilenetv2_fp32": lambda: mobilenet("mobilenetv2_fp32/mobilenetv2_fp32.onnx"),
    "mobilenetv2_fp16": lambda: mobilenet("mobilenetv2_fp16/mobilenetv2_fp16.onnx", np.float16),
    "mobilenetv2_qdq": lambda: mobilenet("mobilenetv2_qdq/mobilenetv2-12-qdq.onnx"),
    "mobilenetv2_dynint8": lambda: mobilenet("mobilenetv2_dynint8/mobilenetv2_int8.onnx"),
    "resnet20_cifar10": lambda: cifar10("resnet20_cifar10/resnet20.onnx"),
    "vit_cifar10": lambda: cifar10("vit_cifar10/vit_pgd_2_3_16.onnx"),
    "mnist": mnist,
    "yolox_nano": yolox,
    "ultraface_rfb320": ultraface,
    "ppocr_v4": ocr,
    "ddddocr_crnn_int8": ddddocr,
    "moonshine_tiny": moonshine,
    "silero_vad": lambda: silero("silero_vad/silero_vad.onnx"),
    "silero_vad_op18_ifless": lambda: silero("silero_vad/silero_vad_op18_ifless.onnx"),
    "openwakeword": wake_word,
    "dnsmos": dnsmos,
    "basic_pitch": basic_pitch,
    "magika_v3_3": magika,
    "ncf_ml1m": ncf,
    "tiny_time_mixer": time_mixer,
    "super_resolution": super_resolution,
    "sci_lowlight": low_light,
    "cgan": cgan,
    "llama_kv_260k": llama,
}


def main():
    global SHARED
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=pathlib.Path, default=SHARED)
    parser.add_argument("names", nargs="*", metavar="NAME")
    arguments = parser.parse_args()
    SHARED = arguments.shared
    answers = {"engine": f"ONNX Runtime {onnxruntime.__version__}"}
    for name, evaluate in MODELS.items():
        if not arguments.names or name in arguments.names:
            answers[name] = evaluate()
            print(f"{name:24} {str(answers[name])[:400]}", flush=True)
    if not arguments.names:
        lines = [f" {json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in answers.items()]
        (HERE / "answers.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")


if __name__ == "__main__":
    main()
