"""How the findings of one file are collected."""

from pmgsync.pmgconf.findings import MOST_FINDINGS, Finding, Findings, Severity
from pmgsync.pmgconf.lists import parse
from pmgsync.pmgconf.maps import NETWORKS


def test_they_come_out_as_they_went_in() -> None:
    findings = Findings()
    findings.error(2, "bad", "mend it")
    findings.warning(1, "odd", "look at it")
    findings.add(Finding(3, "x", "mail"))
    assert findings.all() == (
        Finding(2, "bad", mend="mend it", severity=Severity.ERROR),
        Finding(1, "odd", mend="look at it", severity=Severity.WARNING),
        Finding(3, "x", "mail"),
    )


def test_of_very_many_the_rest_is_counted() -> None:
    findings = Findings()
    for line in range(MOST_FINDINGS + 3):
        findings.error(line, "bad", "mend it")
    assert findings.is_full
    findings.count()
    assert len(findings.all()) == MOST_FINDINGS + 1
    assert findings.all()[-1].what == "4 more findings are not listed"


def test_a_large_file_of_another_kind_has_no_more() -> None:
    file = parse(b"x\n" * (MOST_FINDINGS + 5), NETWORKS)
    assert len(file.findings) == MOST_FINDINGS + 1
    assert len(file.unread) == MOST_FINDINGS + 5
