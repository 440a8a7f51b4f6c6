#!/usr/bin/env python3
"""Executes every command that README.md shows (its ```sh blocks, in order, one shell for each block, in the root of the repository),
and compares the programs it shows (```cpp and ```cmake blocks) with tests/build/consumer, which install.sh builds and runs.

`./dev test` among the commands runs a few tests only, and not this script again: GTEST_FILTER is set."""
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHOWN = {"cpp": "main.cc", "cmake": "CMakeLists.txt"}


def main():
    blocks = re.findall(r"^```(\w+)\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    environment = dict(os.environ, GTEST_FILTER="Error.*:Cpu.*")
    failures = commands = 0
    for language, text in blocks:
        if language in SHOWN:
            if (ROOT / "tests/build/consumer" / SHOWN[language]).read_text() != text:
                print(f"the {language} block differs from tests/build/consumer/{SHOWN[language]}")
                failures += 1
        if language != "sh":
            continue
        commands += 1
        print("$", text.strip(), flush=True)
        if subprocess.run(["sh", "-e", "-c", text], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT).returncode:
            print("failed")
            failures += 1
    print(f"{commands} blocks of commands, {failures} failures")
    return 1 if failures or not commands else 0


if __name__ == "__main__":
    sys.exit(main())
