#!/usr/bin/env python3
"""The rules of the tree that a script can check: which folder may include which, length of files, depth of folders, where raw
intrinsics stand. Reads the files that git tracks, and prints one line for each breach."""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCES = {".cc", ".h", ".inc", ".cu", ".cuh"}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)

# What each folder may include, beside itself and the standard library. A folder stands for what lies directly or deeper in it.
BASE = {"runtime/base"}
IR = BASE | {"runtime/ir", "formats/weights.h"}  # where the bytes of constants come from
OPS = IR | {"runtime/ops", "kernels/kernel.h"}
PASSES = OPS | {"runtime/passes"}
DEVICE = BASE | {"runtime/device", "kernels/kernel.h", "kernels/cpu/tables.h", "kernels/cuda/tables.h", "generated"}
PLAN = PASSES | DEVICE | {"runtime/plan"}
EXEC = PLAN | {"runtime/exec", "runtime/tenon.h", "formats/formats.h"}
MAY = {
    "runtime": BASE,
    "runtime/base": BASE,
    "runtime/ir": IR,
    "runtime/ops": OPS,
    "runtime/passes": PASSES,
    "runtime/device": DEVICE,
    "runtime/plan": PLAN,
    "runtime/exec": EXEC,
    "runtime/compress": EXEC | {"runtime/compress"},
    "runtime/trust": EXEC | {"runtime/trust", "formats/seal"},
    "runtime/cli": {"runtime", "formats"},
    "kernels/cpu": BASE | {"kernels/kernel.h", "kernels/cpu", "attributes", "generated"},
    "kernels/cuda": BASE | {"kernels/kernel.h", "kernels/cuda", "attributes", "generated"},
    "kernels": {"runtime/base/scalar.h"},
    "formats": OPS | {"formats"},  # formats.cc is the list of formats
    "formats/seal": BASE | {"formats/seal", "formats/weights.h"},
    "formats/onnx": OPS | {"formats/onnx", "formats/formats.h"},
}
GENERATED = {"kernels/cpu/tables.inc", "kernels/cpu/levels.inc", "kernels/cuda/tables.inc"}


def is_attributes(path):
    """Whether a header of runtime/ops is one that kernels may include: attributes, the table of scalar functions, arithmetic on what runtime/base has."""
    if path in ("runtime/ops/elementwise.h", "runtime/ops/elementwise.inc"):
        return True
    if not (path.startswith("runtime/ops/") and path.endswith(".h")):
        return False
    text = (ROOT / path).read_text()
    return "void fields(" in text or all(line.startswith('#include "base/') for line in text.splitlines() if line.startswith('#include "'))


def resolve(name, including):
    for candidate in (name, "runtime/" + name, str(pathlib.Path(including).parent / name)):
        if (ROOT / candidate).is_file():
            return candidate
    return "generated" if name in GENERATED else None


def allowed(target, may):
    return any(target == place or target.startswith(place + "/") for place in may) or ("attributes" in may and is_attributes(target))


def rules_of(path):
    """The rule of the nearest folder that has one; a further format may include what formats/onnx may."""
    folder = str(pathlib.Path(path).parent)
    if folder.startswith("formats/"):
        return MAY.get(folder, OPS | {folder, "formats/formats.h"})
    return MAY.get(folder)


def breaches(path):
    text = (ROOT / path).read_text(errors="replace")
    lines = text.count("\n")
    if lines > 1000:
        yield f"{path}: {lines} lines, at most 1000"
    if path.split("/")[0] in ("runtime", "kernels", "formats"):
        if len(path.split("/")) > 3:
            yield f"{path}: deeper than three levels"
        may = rules_of(path)
        if may is None:
            yield f"{path}: tests/build/tree.py knows no rule for this folder"
            return
        if path.endswith(".h") and is_attributes(path):
            may = {"runtime/base", "attributes"}
        if path in ("formats/weights.h", "formats/formats.h"):
            may = OPS | {"formats/weights.h"}
        for kind, name in INCLUDE.findall(text):
            if kind == "<":
                raw = re.fullmatch(r"(\w*intrin|arm_neon)\.h|xsimd/.*", name)
                if raw and path != "kernels/cpu/simd.h":
                    yield f"{path}: includes <{name}>; raw intrinsics and xsimd stand in kernels/cpu/simd.h"
                continue
            target = resolve(name, path)
            if target is None:
                yield f'{path}: "{name}" is no file of this tree'
            elif not allowed(target, may):
                yield f'{path}: may not include "{name}"'


def main():
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout.split("\0")
    files = [f for f in tracked if pathlib.Path(f).suffix in SOURCES | {".py", ".sh", ".cmake"} and (ROOT / f).is_file()]
    found = [breach for f in files for breach in breaches(f)]
    print(*found, f"{len(files)} files, {len(found)} breaches", sep="\n")
    return 1 if found or not files else 0


if __name__ == "__main__":
    sys.exit(main())
