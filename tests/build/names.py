#!/usr/bin/env python3
"""Two types of one name in one namespace are one type to the linker, which then calls the wrong destructor. Looks for such pairs."""
import collections
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def types(path):
    """The names of types that a file defines outside unnamed namespaces, with their namespaces."""
    text = re.sub(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"", "", path.read_text(errors="replace"), flags=re.S)
    depth, spaces, inside = 0, [], 0
    for match in re.finditer(r"namespace\s*([\w:]*)\s*\{|(?<!<)(?<!, )\b(?:class|struct|union)\s+(\w+)\b(?!\s*::)[^;{}()=<>]*\{|[{}]", text):
        token = match.group(0)
        if token.startswith("namespace"):
            depth += 1
            spaces.append((depth, match.group(1)))
        elif token == "{":
            depth += 1
        elif token == "}":
            if spaces and spaces[-1][0] == depth:
                spaces.pop()
            depth -= 1
        else:
            if spaces and depth == spaces[-1][0] and all(name for _, name in spaces):
                yield "::".join(name for _, name in spaces) + "::" + match.group(2)
            depth += 1


def main():
    files = subprocess.run(["git", "ls-files", "runtime", "formats", "kernels"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    defined = collections.defaultdict(set)
    for name in files:
        if name.endswith((".h", ".cc")):
            for each in types(ROOT / name):
                defined[each].add(name)
    twice = {name: sorted(where) for name, where in defined.items() if len(where) > 1}
    for name, where in sorted(twice.items()):
        print(f"{name} is defined in {' and '.join(where)}")
    print(f"{len(defined)} types, {len(twice)} defined twice")
    return 1 if twice or len(defined) < 300 else 0


if __name__ == "__main__":
    sys.exit(main())
