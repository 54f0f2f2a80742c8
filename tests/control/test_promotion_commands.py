"""`promote`, `switchover` and `orphans`, as processes against the real local API."""

import json
from pathlib import Path
from typing import Any

import pytest

from pmgsync.cli.answers import Release, ShownFile
from pmgsync.cli.orphan_answers import OrphanLine, ShownOrphan
from pmgsync.cli.promotion_answers import MemberWord, Promoted, Prospect, Refounded
from pmgsync.master.founding import recovery_text
from pmgsync.model.keys import SigningKey
from tests.control.fake_node import NOW, Served, outcome

KEY = SigningKey(b"r" * 32)
KEY_TEXT = recovery_text(KEY) + "\n"

PROSPECT = Prospect(
    way="majority",
    me="mail2(2)",
    master="mail1(1)",
    epoch=2,
    head="1.14",
    needed=2,
    total=3,
    members=(MemberWord("mail1(1)", why="connection refused"), MemberWord("mail3(3)", "1.15")),
    fetch="versions after 1.14 up to 1.15, from mail3(3)",
    lost="version 1.16",
    lost_known=False,
    last_heard=NOW,
    as_of=NOW + 14_500,
)
PROMOTED = Promoted(
    way="majority",
    me="mail2(2)",
    epoch=2,
    head="1.15",
    signed=("mail2(2)", "mail3(3)"),
    refused=(MemberWord("mail1(1)", why="connection refused"),),
    following=("mail3(3)",),
    lost="version 1.16",
    ms=212,
    lost_known=False,
    last_heard=NOW,
    as_of=NOW + 14_500,
    before="mail1(1)",
)
FILE = ShownFile(
    "etc/pmg/domains", "changed", 12, 10, 0o644, "root:root", False, "--- a\n+++ b\n+x"
)
ORPHAN = ShownOrphan(OrphanLine(2, "1.15", NOW, NOW + 1000, "why", 1), (FILE,), ())


UNDONE = "removed here while another master was made, and a member again: mail3(3); and so on"


def serve(served: Served, **documents: dict[str, Any]) -> None:
    """Let the node answer these calls: `promotion` for /v1/promotion."""
    served.node.documents = {f"/v1/{name}": document for name, document in documents.items()}


def test_it_says_beforehand_what_will_happen(served: Served, tmp_path: Path) -> None:
    serve(served, promotion=PROSPECT.to_json(), promote=PROMOTED.to_json())
    code, out, err = outcome("promote", "--root", tmp_path)
    assert code == 0
    assert err.splitlines() == [
        "mail1(1) does not answer as the master: 2 of 3 members must sign for mail2(2)",
        "  mail1(1): connection refused",
        "  mail3(3): answers, has version 1.15",
        "first fetched: versions after 1.14 up to 1.15, from mail3(3)",
        "lost, as nobody who answers hands it over: version 1.16; where the old master or another "
        "node has it, it is kept there as orphaned; mail1(1) was last heard 14 s ago (2026-02-02 "
        "02:40:00)",
    ]
    assert out.splitlines()[:4] == [
        "mail2(2) is the master, epoch 2, after version 1.15 (212 ms)",
        "signed by mail2(2), mail3(3)",
        "not signed by mail1(1): connection refused",
        "followed by mail3(3)",
    ]
    assert served.node.calls[-1][1] == "/v1/promote"


def test_a_dry_run_changes_nothing(served: Served, tmp_path: Path) -> None:
    serve(served, promotion=PROSPECT.to_json())
    code, out, err = outcome("promote", "--dry-run", "--root", tmp_path)
    assert (code, err) == (0, "")
    assert "lost, as nobody" in out
    code, out, _ = outcome("promote", "--dry-run", "--json", "--root", tmp_path)
    assert json.loads(out)["needed"] == 2
    assert {path for _, path, *_ in served.node.calls} == {"/v1/promotion"}


def test_what_the_master_published_after_its_last_word_is_not_called_nothing(
    served: Served, tmp_path: Path
) -> None:
    none = {"lost": ""}
    serve(
        served,
        promotion={**PROSPECT.to_json(), **none},
        promote={**PROMOTED.to_json(), **none},
    )
    _, out, err = outcome("promote", "--root", tmp_path)
    line = (
        "lost: nothing that is known here; mail1(1) was last heard 14 s ago (2026-02-02 02:40:00), "
        "and what it published alone since then is kept there as orphaned"
    )
    assert (err.splitlines()[-1], out.splitlines()[-1]) == (line, line)
    handed_over = {"way": "handover", "lost": "", "lost_known": True}
    serve(served, promotion={**PROSPECT.to_json(), **handed_over}, promote=PROMOTED.to_json())
    assert outcome("promote", "--root", tmp_path)[2].splitlines()[-1] == "lost: nothing"


def test_what_nobody_can_say_is_not_called_nothing(served: Served, tmp_path: Path) -> None:
    unknown = {"lost": "", "lost_known": False, "last_heard": None}
    serve(
        served,
        promotion={**PROSPECT.to_json(), **unknown},
        promote={**PROMOTED.to_json(), **unknown},
    )
    _, out, err = outcome("promote", "--root", tmp_path)
    line = "lost: not known, as this node has not heard the master since it started"
    assert err.splitlines()[-1].startswith(line)
    assert out.splitlines()[-1].startswith(line)


def test_where_the_master_refuses_it_is_said_that_the_key_decided(
    served: Served, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.write_text(KEY_TEXT)
    won = {**PROMOTED.to_json(), "way": "recovery", "instead": "mail1(1) is on hold"}
    serve(served, promotion={**PROSPECT.to_json(), "way": "handover"}, promote=won)
    _, out, err = outcome("promote", "--recovery-key", key, "--root", tmp_path)
    assert err.splitlines()[:2] == [
        "mail1(1) answers: it finishes what is in flight and hands over to mail2(2)",
        "if that comes to nothing, the recovery key signs",
    ]
    assert "the recovery key has signed, as a handover failed: mail1(1) is on hold" in out
    own = {**PROSPECT.to_json(), "way": "recovery", "master": "mail2(2)"}
    serve(served, promotion=own, promote=won)
    _, _, err = outcome("promote", "--recovery-key", key, "--root", tmp_path)
    assert err.startswith("mail2(2) is the master: the recovery key lets it begin epoch 2\n")


def test_what_cannot_be_is_not_tried(served: Served, tmp_path: Path) -> None:
    document = {**PROSPECT.to_json(), "hindrance": "2 of 2 members must sign, and only 1 can"}
    serve(served, promotion=document)
    code, out, err = outcome("promote", "--root", tmp_path)
    assert (code, out) == (6, "")
    assert "it cannot be: 2 of 2 members must sign" in err
    assert err.splitlines()[-1].startswith("pmgsync: this node cannot be the master now; mend")
    serve(served, promotion={**document, "mend": "promote mail3"})
    err = outcome("promote", "--without", "1.42", "--root", tmp_path)[2]
    assert err.splitlines()[-1] == "pmgsync: this node cannot be the master now; promote mail3"
    assert served.node.calls[-1][1:3] == ("/v1/promotion", {"without": "1.42"})
    code, _, _ = outcome("promote", "--dry-run", "--root", tmp_path)
    assert code == 6


def test_the_recovery_key_is_read_from_a_file(served: Served, tmp_path: Path) -> None:
    serve(served, promotion=PROSPECT.to_json(), promote=PROMOTED.to_json())
    key = tmp_path / "key"
    key.write_text(KEY_TEXT)
    assert outcome("promote", "--recovery-key", key, "--root", tmp_path)[0] == 0
    assert served.node.calls[-1][3] == {"recovery_key": KEY_TEXT, "without": None}
    # Beforehand, the daemon is told which key it is, and not the key.
    assert served.node.calls[-2][1:3] == ("/v1/promotion", {"recovery": KEY.public_key.key_id})


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (None, "cannot be read: No such file"),
        (b"\xff", "holds no recovery key"),
        (b"", "is not the recovery key that `pmgsync create` printed"),
        (b"ABCD-EFGH\n", "is not the recovery key that `pmgsync create` printed"),
    ],
)
@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_a_key_file_that_is_none(
    tmp_path: Path, content: bytes | None, line: str, dry: tuple[str, ...]
) -> None:
    key = tmp_path / "key"
    if content is not None:
        key.write_bytes(content)
    code, out, err = outcome("promote", "--recovery-key", key, *dry, "--root", tmp_path)
    assert (code, out) == (2, "")
    assert line in err
    assert err.count("\n") == 1


def test_switchover_names_the_node(served: Served, tmp_path: Path) -> None:
    serve(served, switchover={**PROMOTED.to_json(), "lost": "", "refused": []})
    code, out, _ = outcome("switchover", "mail2", "--root", tmp_path)
    assert code == 0
    assert out.startswith("mail2(2) is the master, epoch 2")
    assert served.node.calls[-1][3] == {"name": "mail2"}
    code, out, _ = outcome("switchover", "mail2", "--json", "--root", tmp_path)
    assert json.loads(out)["epoch"] == 2


def test_orphans_are_listed_with_what_to_do(served: Served, tmp_path: Path) -> None:
    serve(served, orphans={"orphans": [ORPHAN.line.to_json()], "undone": [UNDONE]})
    code, out, err = outcome("orphans", "list", "--root", tmp_path)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].split() == ["NUMBER", "VERSION", "PUBLISHED", "FILES", "MESSAGE"]
    assert lines[1].split()[:2] == ["2", "1.15"]
    assert "`pmgsync orphans apply NUMBER`" in lines[-2]
    assert lines[-1] == UNDONE
    serve(served, orphans={"orphans": [], "undone": []})
    assert outcome("orphans", "list", "--root", tmp_path)[1] == (
        "no version of this node is orphaned\n"
    )
    code, out, _ = outcome("orphans", "list", "--json", "--root", tmp_path)
    assert json.loads(out) == {"orphans": [], "undone": []}


def test_orphans_are_forgotten_when_that_is_said(served: Served, tmp_path: Path) -> None:
    serve(served, **{"orphans/clear": {"forgotten": 2, "undone": 0}})
    assert outcome("orphans", "list", "--clear", "--root", tmp_path)[1] == "forgot 2 versions\n"
    serve(served, **{"orphans/clear": {"forgotten": 2, "undone": 1}})
    clear = ("orphans", "list", "--clear", "--root", tmp_path)
    assert outcome(*clear)[1] == "forgot 2 versions and 1 change of the membership\n"
    assert json.loads(outcome(*clear, "--json")[1]) == {"forgotten": 2, "undone": 1}


def test_an_orphan_is_compared_with_what_there_is_now(served: Served, tmp_path: Path) -> None:
    document = {**ORPHAN.to_json(), "changed": ["etc/pmg/domains"]}
    serve(served, **{"orphans/2": document})
    code, out, _ = outcome("orphans", "show", "2", "--root", tmp_path)
    assert code == 0
    assert out.startswith("orphan 2: version 1.15, published 20")
    assert "message: why" in out
    assert "\n+x\n" in out
    assert out.endswith("changed by the cluster since: etc/pmg/domains\n")


def test_what_the_cluster_has_changed_since_is_not_overwritten_unasked(
    served: Served, tmp_path: Path
) -> None:
    serve(served, **{"orphans/2": {**ORPHAN.to_json(), "changed": ["etc/pmg/domains"]}})
    code, out, err = outcome("orphans", "apply", "2", "--root", tmp_path)
    assert (code, out) == (3, "")
    assert "etc/pmg/domains: the cluster has changed it since" in err
    assert "--force overwrites it" in err


def test_an_orphan_that_is_published_anew_is_said_to_scripts_too(
    served: Served, tmp_path: Path
) -> None:
    document = {**ORPHAN.to_json(), "files": [], "changed": []}
    released = Release(17, 0).to_json()
    serve(served, **{"orphans/2": document, "hold": {"holder": "x"}, "release": released})
    code, out, _ = outcome("orphans", "apply", "2", "--json", "--root", tmp_path)
    assert (code, json.loads(out)["version"]) == (0, 17)


def test_a_new_cluster_is_said_with_its_key(served: Served, tmp_path: Path) -> None:
    made = Refounded("4f1cdd54", "mail2(2)", 2, "1.15", "ABCD-EFGH", ("mail1(1)", "mail3(3)"))
    document = {**PROSPECT.to_json(), "hindrance": "2 of 3 members must sign, and only 1 can"}
    serve(served, promotion=document, newcluster=made.to_json())
    code, out, err = outcome("promote", "--force-new-cluster", "--root", tmp_path)
    assert code == 0
    assert "it cannot be: 2 of 3 members must sign" in err
    assert "founded cluster 4f1c… anew" in out
    assert "    ABCD-EFGH" in out
    assert "to be joined anew, after `pmgsync leave` there: mail1(1), mail3(3)" in out
    code, out, _ = outcome("promote", "--force-new-cluster", "--json", "--root", tmp_path)
    assert json.loads(out)["former"] == ["mail1(1)", "mail3(3)"]
    dry = outcome("promote", "--force-new-cluster", "--dry-run", "--root", tmp_path)
    assert dry[0] == 0
    assert dry[1].splitlines()[:3] == [
        "no other way is open: 2 of 3 members must sign, and only 1 can",
        "mail2(2) founds a new cluster of itself alone, after version 1.14, with a new "
        "recovery key",
        "to be joined anew, after `pmgsync leave` there: mail1(1), mail3(3)",
    ]
    serve(served, promotion=PROSPECT.to_json())
    needless = outcome("promote", "--force-new-cluster", "--dry-run", "--root", tmp_path)
    assert needless[0] == 1
    assert "a new cluster is not needed" in needless[2]
    both = outcome("promote", "--force-new-cluster", "--recovery-key", "x", "--root", tmp_path)
    assert both[0] == 2
