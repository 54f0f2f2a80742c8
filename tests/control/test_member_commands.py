"""`tokens` and the other commands about members, as processes against the real local API."""

import asyncio
import json
from pathlib import Path

import pytest

from tests.control.fake_node import DEADLINE, NOW, Served, command_line, on_a_terminal, outcome


def test_tokens_are_listed_without_a_secret(served: Served, tmp_path: Path) -> None:
    code, out, err = outcome("tokens", "--root", tmp_path)
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "TOKEN             STATE  UNTIL                WRONG PROOFS",
        "3f2a000000000000  good   2026-02-02 02:55:00             0",
        "77aa000000000000  used   2026-02-02 02:41:00             2",
    ]
    code, out, _ = outcome("tokens", "list", "--json", "--root", tmp_path)
    assert code == 0
    assert json.loads(out)["tokens"][0] == {
        "token": "3f2a000000000000",
        "state": "good",
        "expires": NOW + 900_000,
        "wrong_proofs": 0,
    }
    served.node.tokens = ()
    _, out, _ = outcome("tokens", "list", "--root", tmp_path)
    assert out == "no token is alive; `pmgsync join-cmd` makes one\n"


def test_a_token_is_revoked_by_how_its_name_begins(served: Served, tmp_path: Path) -> None:
    code, out, _ = outcome("tokens", "revoke", "77", "--root", tmp_path)
    assert (code, out) == (0, "revoked 77aa000000000000: it opens nothing any more\n")
    assert served.node.calls[-1][1:4:2] == ("/v1/tokens/revoke", {"token": "77"})
    code, out, _ = outcome("tokens", "revoke", "3f", "--json", "--root", tmp_path)
    assert json.loads(out)["state"] == "revoked"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["revoke"], "say which token; see `pmgsync tokens --help`"),
        (["list", "3f"], "list takes no token"),
        (["forget", "3f"], "invalid choice: 'forget'"),
    ],
)
def test_tokens_typed_wrong(words: list[str], line: str) -> None:
    code, out, err = outcome("tokens", *words)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert line in err


# --- members, delete, leave -----------------------------------------------------------------------


def test_members_are_listed_with_origin_and_fingerprint(served: Served, tmp_path: Path) -> None:
    code, out, err = outcome("members", "--root", tmp_path)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "cluster 4f1c…  membership 1.3, signed by mail1(1)"
    assert lines[2].split() == [
        *("NODE", "ADDRESS", "ROLE", "SINCE", "SIGNED", "BY", "FINGERPRINT"),
    ]
    first = ["mail1(1)", "192.0.2.1", "master", "1.1", "2026-02-02", "02:40:00", "mail1(1)"]
    assert lines[3].split() == [*first, "AAAA-AAAA-AAAA-AAAA-AAAA-AAAA"]
    assert lines[4].split() == [
        *("mail2(2)", "192.0.2.2", "node", "1.3", "mail1(1)", "BBBB-BBBB-BBBB-BBBB-BBBB-BBBB"),
    ]
    assert lines[5].split()[2:4] == ["expected", "1.1"]
    assert lines[5].endswith("has not joined yet")
    assert lines[7].strip() == "left or removed, their numbers wait for them: mail3(3)"
    code, out, _ = outcome("members", "--json", "--root", tmp_path)
    assert json.loads(out) == json.loads(json.dumps(served.node.members.to_json()))


def test_a_removal_is_said_plainly(served: Served, tmp_path: Path) -> None:
    code, out, _ = outcome("delete", "mail3", "--root", tmp_path)
    assert (code, out.splitlines()) == (
        0,
        [
            "removed mail3(3); membership 1.5 lacks it",
            "its stream is cut and its keys open nothing any more, for ever",
            "its configuration stays on it as it is; wipe it there if it must not be used",
        ],
    )
    assert served.node.calls[-1][3] == {"member": "mail3"}
    served.node.known = {"has": 2, "of": 5, "certain": False}
    lines = outcome("delete", "mail3", "--root", tmp_path)[1].splitlines()
    assert lines[1] == "its stream is cut and its keys open nothing any more here"
    assert lines[3] == (
        "only 2 of 5 members have written it down: if the others make another master before they "
        "hear of it, it is undone, and `pmgsync status` says so"
    )
    code, out, err = outcome("delete", "mail9", "--root", tmp_path)
    assert (code, out) == (1, "")
    assert err == "pmgsync: mail9: is no member of this cluster\n"
    assert outcome("delete", "--root", tmp_path)[0] == 2


def test_leaving_says_what_is_left_to_do(served: Served, tmp_path: Path) -> None:
    code, out, _ = outcome("leave", "--root", tmp_path)
    assert (code, out) == (
        0,
        "left cluster 4f1c…; this node keeps its configuration as it is, and nothing is synced "
        "any more\n",
    )
    served.node.untold = "192.0.2.1:7643: connection refused"
    _, out, _ = outcome("leave", "--root", tmp_path)
    assert out.splitlines()[1:] == [
        "the master could not be told: 192.0.2.1:7643: connection refused",
        "so say `pmgsync delete mail2` on mail1(1)",
    ]
    _, out, _ = outcome("leave", "--json", "--root", tmp_path)
    assert json.loads(out)["untold"] == served.node.untold


# --- joining without a token ----------------------------------------------------------------------

MASTER, NODE = "-".join(["MMMM"] * 6), "-".join(["YYYY"] * 6)


def test_both_fingerprints_are_shown_and_then_it_waits(served: Served, tmp_path: Path) -> None:
    served.node.approved.set()
    words = ("join", "192.0.2.1", "--name", "mail4", "--fingerprint", MASTER, "--root", tmp_path)
    code, out, err = outcome(*words)
    assert code == 0
    assert err.splitlines() == [
        "the master at 192.0.2.1:7644 has the fingerprint",
        f"    {MASTER}",
        "and this node, mail4, has",
        f"    {NODE}",
        "Compare both with what `pmgsync approve` shows on the master.",
        "waiting for `pmgsync approve mail4` on the master; Ctrl-C withdraws the request",
    ]
    assert out.startswith("joined cluster 4f1c… as mail4")
    paths = [(call[0], call[1]) for call in served.node.calls]
    assert paths == [
        ("POST", "/v1/join/request"),
        ("POST", "/v1/join/confirm"),
        ("GET", "/v1/join/request"),
    ]
    assert len({call[4] for call in served.node.calls}) == 1  # it lives on one connection


def test_ctrl_c_ends_the_wait_and_the_connection(served: Served, tmp_path: Path) -> None:
    words = ["join", "192.0.2.1", "--fingerprint", MASTER, "--root", str(tmp_path)]
    code, output = on_a_terminal(command_line(*words), until=b"withdraws the request")
    assert code == 130
    assert b"Traceback" not in output
    served.do(asyncio.wait_for(served.node.hung_up.wait(), DEADLINE))


def test_a_question_that_is_not_answered_with_yes_withdraws(served: Served, tmp_path: Path) -> None:
    words = ["join", "192.0.2.1", "--root", str(tmp_path)]
    code, output = on_a_terminal(command_line(*words), until=b"Type yes: ")
    assert code == 130
    assert [call[1] for call in served.node.calls] == ["/v1/join/request"]
    assert MASTER.encode() in output


def test_without_a_terminal_the_fingerprint_has_to_be_given(served: Served, tmp_path: Path) -> None:
    code, out, err = outcome("join", "192.0.2.1", "--root", tmp_path)
    assert (code, out) == (2, "")
    assert "somebody has to compare the master's fingerprint" in err
    both = ("--token", "EXAMPLE", "--fingerprint", MASTER)
    code, _, err = outcome("join", "192.0.2.1", *both, "--root", tmp_path)
    assert (code, "leave out --fingerprint" in err) == (2, True)
    assert served.node.calls == []
    wrong = ("--fingerprint", NODE)
    code, _, err = outcome("join", "192.0.2.1", *wrong, "--root", tmp_path)
    assert (code, "has another fingerprint than that" in err) == (1, True)


def test_who_waits_is_listed_with_this_masters_own_fingerprint(
    served: Served, tmp_path: Path
) -> None:
    code, out, err = outcome("approve", "--root", tmp_path)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "this master, mail1(1), has the fingerprint"
    assert lines[1].strip() == MASTER
    assert lines[5].split() == ["mail4", "192.0.2.4", "192.0.2.9", "2", "min", NODE]
    served.node.requests = ()
    _, out, _ = outcome("approve", "--root", tmp_path)
    assert out.splitlines()[-1] == "nobody waits to be let in"
    _, out, _ = outcome("approve", "--json", "--root", tmp_path)
    assert json.loads(out) == {"master": "mail1(1)", "fingerprint": MASTER, "requests": []}


def test_what_was_compared_is_approved(served: Served, tmp_path: Path) -> None:
    code, out, _ = outcome("approve", "mail4", "--fingerprint", NODE, "--root", tmp_path)
    assert (code, out) == (0, "mail4(4) is a member now\n")
    assert served.node.calls[-1][3] == {"name": "mail4", "fingerprint": NODE}
    code, out, _ = outcome("approve", "mail4", "--refuse", "--root", tmp_path)
    assert (code, out) == (0, "refused 2 requests of mail4\n")
    served.node.requests = (*served.node.requests, *served.node.requests)
    for words, line in [
        (("mail4",), "several wait under that name; give --fingerprint"),
        (("mail9",), "nobody waits under that name; `pmgsync approve` lists who waits"),
        (("--refuse",), "say which node"),
        (("mail4", "--refuse", "--fingerprint", NODE), "not allowed with argument"),
    ]:
        code, out, err = outcome("approve", *words, "--root", tmp_path)
        assert code in (1, 2)
        assert out == ""
        assert line in err


# --- another recovery key ---

KEYS = {"name": "mail1", "cid": 1, "master": "mail1(1)", "recovery": "ee" * 32}
COUNTS = {
    "recovery": "ff" * 32,
    "link": "1.7",
    "away": ["mail2(2)"],
    "late": [],
    "known": {"has": 1, "of": 3, "certain": False},
}


def test_another_recovery_key_is_one_json_document_that_says_whether_it_counts(
    served: Served, tmp_path: Path
) -> None:
    served.node.documents = {"/v1/keys": KEYS, "/v1/keys/recovery": COUNTS}
    words = ("rotate-keys", "--recovery", "--root", tmp_path)
    code, out, err = outcome(*words, "--json")
    document = json.loads(out)
    assert (code, err) == (0, "")
    assert {**document, "recovery_key": "", "recovery": ""} == {
        **COUNTS,
        "counts": True,
        "recovery_key": "",
        "recovery": "",
    }
    _, out, err = outcome(*words)
    assert "Not connected now: mail2(2)." in err
    assert "only the key of before counts there" in err
    assert "only 1 of 3 members have written it down: if the others make another master" in err


def test_a_recovery_key_that_is_refused_does_not_count(served: Served, tmp_path: Path) -> None:
    """It has been shown by then: the document is whole, and says so."""
    served.node.documents = {"/v1/keys": KEYS}
    words = ("rotate-keys", "--recovery", "--root", tmp_path)
    code, out, err = outcome(*words, "--json")
    document = json.loads(out)
    assert (code, document["counts"]) == (2, False)
    assert "there is no such call" in document["error"]
    assert "there is no such call" in err
    assert document["recovery_key"]
    code, out, err = outcome(*words)
    assert code == 2
    assert "Keep the recovery key of before, too" in err


def test_who_is_not_the_master_shows_no_recovery_key(served: Served, tmp_path: Path) -> None:
    served.node.documents = {"/v1/keys": {**KEYS, "master": "mail2(2)"}}
    code, out, err = outcome("rotate-keys", "--recovery", "--root", tmp_path)
    assert (code, out) == (6, "")
    assert "run it on the master, mail2(2)" in err
