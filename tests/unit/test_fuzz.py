"""What the fuzzer feeds: every kind is there, the samples are good, and a fault would be seen."""

from pathlib import Path
from typing import NoReturn

import pytest

from fuzz.kinds import CHECKS, SAMPLES, WORDS, as_input, listed, one_input
from pmgsync.pmgconf.cluster_conf import parse_cluster_conf
from pmgsync.pmgconf.file_kind import FileKind
from pmgsync.pmgconf.pmg_conf import parse_pmg_conf
from pmgsync.pmgconf.registry import REGISTRY


def test_every_kind_is_fuzzed_and_has_a_sample() -> None:
    assert REGISTRY.keys() <= CHECKS.keys()
    assert SAMPLES.keys() == CHECKS.keys()


@pytest.mark.parametrize("name", CHECKS)
def test_a_sample_is_a_good_file(name: str) -> None:
    one_input(as_input(name, SAMPLES[name]))
    if name in REGISTRY:
        parsed = REGISTRY[name].parse(SAMPLES[name])
        assert (parsed.findings, parsed.unread) == ((), ())
        assert parsed.entries
    elif name == "cluster.conf":
        assert parse_cluster_conf(SAMPLES[name])
    elif name.startswith("pmg.conf"):
        assert parse_pmg_conf(SAMPLES[name]).findings == ()


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("content", [b"", b"\0", b"\xff\xfe\r\n0\n", b"x\n" * 50])
def test_a_bad_file_is_no_failure(name: str, content: bytes) -> None:
    one_input(as_input(name, content))
    one_input(b"")


def test_every_word_fits_into_a_dictionary() -> None:
    assert all(word.isascii() and word.isprintable() and '"' not in word for word in WORDS)


class Broken(ValueError):
    pass


def broken_parse(data: bytes) -> NoReturn:
    raise Broken(data)


def test_what_raises_and_what_loses_something_is_seen() -> None:
    good = REGISTRY["etc/pmg/domains"]
    with pytest.raises(Broken):
        listed(FileKind(broken_parse, good.dump))(b"a 1\n")
    with pytest.raises(AssertionError):
        listed(FileKind(good.parse, lambda _parsed: b"no domain\nx\n"))(b"a 1\n")


def test_the_script_is_run_by_make_and_by_the_suite_of_all() -> None:
    root = Path(__file__).parents[2]
    assert "scripts/fuzz $(SECONDS)" in (root / "Makefile").read_text()
    assert "scripts/test check fuzz" in (root / "Makefile").read_text()
