"""The checks of a configuration as a whole, the form of its files, and the table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmgsync.pmgconf.check import Surroundings
from pmgsync.pmgconf.checks import CHECKS, remarks
from pmgsync.pmgconf.checks_mail import RESOLV_CONF
from pmgsync.pmgconf.configuration import DOMAINS, LDAP, REALMS, TRANSPORTS, Configuration
from tests.unit.pmgconf.sample import (
    CLUSTER_CONF,
    HEALTHY,
    HEALTHY_AROUND,
    NOW,
    PMG_CONF,
    conf,
    found,
)


def test_a_healthy_configuration_is_left_alone() -> None:
    configuration = Configuration({path: text.encode() for path, text in HEALTHY.items()})
    assert [finding.what for _, finding in configuration.findings()] == []
    assert found(HEALTHY, HEALTHY_AROUND) == []


def test_a_stock_configuration_is_left_alone() -> None:
    assert found({}) == []
    assert found({PMG_CONF: conf("mail int_port 26"), DOMAINS: "", TRANSPORTS: ""}) == []


# --- the form of files --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "text", "name"),
    [
        (PMG_CONF, "section: mail\n\ttls 1\n\nsection: mail\n\ttls 0\n", "section: mail"),
        (LDAP, "ldap: a1\n\tserver1 x\n\nldap: a1\n\tserver1 y\n", "ldap: a1"),
    ],
)
def test_a_section_that_stands_twice(path: str, text: str, name: str) -> None:
    what = f"`{name}` stands again further down, and that one replaces all of this one"
    assert found({path: text}) == [f"section-twice {path.rpartition('/')[2]}:1 {what}"]


@pytest.mark.parametrize("path", [PMG_CONF, LDAP, REALMS, CLUSTER_CONF])
def test_dos_line_ends(path: str) -> None:
    text = "# a comment\n# another\r\n"
    what = "lines end with CR LF: PMG sees no empty line, so only the first section"
    assert found({path: text}) == [f"dos-line-ends {path.rpartition('/')[2]}:2 {what}"]
    assert found({path: "# a lone \r in a line\n"}) == []


def test_a_byte_order_mark() -> None:
    what = "begins with a byte order mark, so PMG does not see its first section"
    assert found({PMG_CONF: "\ufeff# x\n"}) == [f"byte-order-mark pmg.conf:1 {what}"]


# --- the table ----------------------------------------------------------------------------


def test_each_check_has_a_name_and_a_reason() -> None:
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names)
    for check in CHECKS:
        assert check.finds[0].islower() or check.finds[0] == "`"
        assert check.why.endswith(".")


PATHS = [*HEALTHY, "etc/pmg/fetchmailrc"]


@given(
    st.dictionaries(st.sampled_from(PATHS), st.binary()),
    st.binary(),
    st.one_of(st.none(), st.just(frozenset[str]())),
)
def test_no_bytes_make_a_check_raise(
    files: dict[str, bytes], resolv_conf: bytes, rules: frozenset[str] | None
) -> None:
    configuration = Configuration(files)
    list(configuration.findings())
    list(remarks(configuration, Surroundings(now=NOW, resolv_conf=resolv_conf, rules=rules)))


@given(
    st.sampled_from(PATHS[:-1]).flatmap(
        lambda path: st.tuples(
            st.just(path),
            st.integers(0, len(HEALTHY[path])),
            st.integers(0, 20),
            st.binary(max_size=8),
        )
    )
)
def test_no_edit_of_a_good_file_makes_a_check_raise(edit: tuple[str, int, int, bytes]) -> None:
    path, at, length, new = edit
    files = {name: text.encode() for name, text in HEALTHY.items()}
    files[path] = files[path][:at] + new + files[path][at + length :]
    configuration = Configuration(files)
    list(configuration.findings())
    list(remarks(configuration, HEALTHY_AROUND))


def test_the_file_of_resolvers_is_below_the_root() -> None:
    assert RESOLV_CONF == "etc/resolv.conf"
