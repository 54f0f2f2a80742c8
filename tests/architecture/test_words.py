"""What the files may not say: things that are true on one machine, or on one day, only.

Each forbidden word stands here with a bar in it, so that this file does not hold the word itself.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

from tests.architecture.source import ROOT

MACHINE_PATHS = ["/wo|rk/", "/ho|me/", "/ro|ot/", "/Us|ers/", "/tm|p/bash_jobs"]

REGISTRY_HOSTS = [
    *("py|pi.org", "python|hosted.org", "registry.np|mjs.org", "crates|.io", "proxy.go|lang.org"),
    *("deb.de|bian.org", "security.de|bian.org", "ftp.de|bian.org", "snapshot.de|bian.org"),
    *("download.prox|mox.com", "enterprise.prox|mox.com", "docker|.io/", "gh|cr.io", "qu|ay.io"),
]

# How the code came to be is told by `git log`; the files tell what is true now.
MAKING_OF = [
    *("issues sh|ow", "shared/d|ocs", "the br|ief", "sub|agent", "sub-a|gent", "this ses|sion"),
    *("language mo|del", "AI assis|tant", "Cla|ude", "Anth|ropic", "Chat|GPT", "Co|pilot"),
    *("as reque|sted", "the user ask|ed", "founding eng|ineer"),
]

FORBIDDEN = [word.replace("|", "") for word in (*MACHINE_PATHS, *REGISTRY_HOSTS, *MAKING_OF)]
PATTERN = re.compile("|".join(rf"(?<!\w){re.escape(word)}" for word in FORBIDDEN), re.IGNORECASE)

NOT_OURS = {"LICENSE"}  # its words are fixed
NOT_SEARCHED = {".git", ".venv", ".build", "__pycache__", "build", "dist"}  # without git only

DOCUMENT = re.compile(r"[\w.-]+\.md\b")


def tracked() -> list[str]:
    """Paths of all files that git has or would add; all files where there is no git."""
    if shutil.which("git") and (ROOT / ".git").exists():
        # safe.directory: the checkout may belong to another user than the one who tests
        command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "-co", "--exclude-standard"]
        listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
        return [name for name in listed.decode().split("\0") if name and (ROOT / name).is_file()]
    found: list[str] = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in NOT_SEARCHED and name[0] != "."]
        found += [os.path.relpath(f"{folder}/{name}", ROOT) for name in names]
    return found


def texts() -> dict[str, str]:
    read = {name: (ROOT / name).read_bytes() for name in tracked() if name not in NOT_OURS}
    return {
        name: data.decode("utf-8", "replace") for name, data in read.items() if b"\0" not in data
    }


def hits(pattern: re.Pattern[str], text: str) -> list[tuple[int, str]]:
    lines = enumerate(text.splitlines(), 1)
    return [(number, found) for number, line in lines for found in pattern.findall(line)]


def test_no_file_speaks_of_one_machine_a_registry_or_its_own_making() -> None:
    found = [
        f"{name}:{n}: {word}" for name, text in texts().items() for n, word in hits(PATTERN, text)
    ]
    assert found == []


def test_every_document_that_is_spoken_of_exists() -> None:
    spoken_of = {
        word: f"{name}:{number}"
        for name, text in texts().items()
        for number, word in hits(DOCUMENT, text)
    }
    here = {Path(name).name for name in tracked()} | {"README.md"}
    # NNNN-...: the template of docs/adr
    missing = {w: at for w, at in spoken_of.items() if w not in here and not w.startswith("NNNN")}
    assert missing == {}


def test_the_pattern_finds_what_it_should() -> None:
    for word in FORBIDDEN:
        assert PATTERN.search(f"see {word}x"), word
    for harmless in ("framework/x", "a session", "the user", "homework/", "chroot/", "/etc/pmg"):
        assert not PATTERN.search(harmless), harmless
