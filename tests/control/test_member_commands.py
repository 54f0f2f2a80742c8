"""`tokens` and the other commands about members, as processes against the real local API."""

import json
from pathlib import Path

import pytest

from tests.control.fake_node import NOW, Served, outcome


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
