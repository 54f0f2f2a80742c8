"""Fuzzes the parsers, guided by what code an input reaches (atheris, libFuzzer's options).

python fuzz/run.py [OPTION ...] [CORPUS | INPUT ...]
"""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["pmgsync"]):
    from fuzz.kinds import SAMPLES, WORDS, as_input, one_input

FOLDER = Path(".build/fuzz")


def prepare() -> None:
    """The samples as the beginning of the corpus, and the words as a dictionary."""
    (FOLDER / "corpus").mkdir(parents=True, exist_ok=True)
    for name, content in SAMPLES.items():
        file = FOLDER / "corpus" / f"sample-{name.replace('/', '-')}"
        file.write_bytes(as_input(name, content))
    (FOLDER / "words").write_text("".join(f'"{word}"\n' for word in WORDS))


prepare()
atheris.Setup(sys.argv, one_input)
atheris.Fuzz()
