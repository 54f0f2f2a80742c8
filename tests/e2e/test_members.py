"""Who belongs to the cluster, as an admin changes it: real daemons, real commands."""

import shlex

from pmgsync.model.joining import Token
from tests.e2e.cluster import Cluster


def join_line(cluster: Cluster) -> list[str]:
    """The words of the line that the master prints, without `pmgsync`."""
    return shlex.split(cluster.master.pmgsync("join-cmd").out.strip().splitlines()[-1])[1:]


def test_a_revoked_token_opens_nothing(cluster: Cluster) -> None:
    cluster.found(1)
    node = cluster.add().start()
    words = join_line(cluster)
    name = Token.from_text(words[-1]).token_id
    listed = cluster.master.pmgsync("tokens", "list", "--json")
    assert [token["token"] for token in listed.document()["tokens"]] == [name]
    assert words[-1] not in listed.out
    cluster.master.pmgsync("tokens", "revoke", name[:8])
    said = node.pmgsync(*words, code=1)
    assert "unknown, used or expired" in said.err
    assert "revoked" in cluster.master.pmgsync("tokens").out
    cluster.join(node)
    cluster.settle()
    assert "run it on the master" in node.pmgsync("tokens", code=6).err
