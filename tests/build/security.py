#!/usr/bin/env python3
"""Executes every command that docs/security.md shows (its ```sh blocks, in order, in one shell and one new folder), with build/release/tenon,
the digits network as m.onnx, and stand-ins for the key service."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
TENON = ROOT / "build/release/tenon"
SERVICE = "/usr/libexec/kms-wrap"
WRAP = """#!/usr/bin/python3
import sys
sys.stdout.buffer.write(bytes(b ^ 0x55 for b in sys.stdin.buffer.read()))
"""


def script(path, text):
    path.write_text(text)
    path.chmod(0o755)


def main():
    if not TENON.is_file():
        print("build/release/tenon is not built")
        return 1
    blocks = re.findall(r"^```sh\n(.*?)^```", (ROOT / "docs/security.md").read_text(), re.M | re.S)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        tools = folder / "tools"
        tools.mkdir()
        script(tools / "kms-wrap", WRAP)
        script(tools / "kms-client", "#!/bin/sh\ncat k\n")
        shutil.copy(ROOT / "bench/zoo/digits/digits.onnx", folder / "m.onnx")
        text = "set -e\n" + "".join(blocks).replace(SERVICE, str(tools / "kms-wrap"))
        environment = dict(os.environ, PATH=f"{TENON.parent}:{tools}:{os.environ['PATH']}")
        done = subprocess.run(["sh", "-x", "-c", text], cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    print(done.stdout, done.stderr)
    print(f"{len(blocks)} blocks of commands, exit status {done.returncode}")
    return 1 if done.returncode or len(blocks) < 8 else 0


if __name__ == "__main__":
    sys.exit(main())
