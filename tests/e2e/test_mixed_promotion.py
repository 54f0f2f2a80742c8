"""Another master among nodes of different releases: Debian's libraries here, PyPI's there."""

from pathlib import Path

from tests.e2e.cluster import Cluster, until
from tests.e2e.test_promotion import lead, new_master_works
from tests.wire.test_mixed import other_interpreter


def test_masters_change_between_releases_by_handover_and_by_votes(cluster: Cluster) -> None:
    other = str(other_interpreter())
    first = cluster.add()
    second = cluster.add(python=other)
    third = cluster.add()
    assert Path(second.python) != Path(first.python)
    cluster.found(3)
    second.pmgsync("promote")
    new_master_works(cluster, second, first, third)
    second.kill()
    until(lambda: "no connection" in third.attention(), "the loss to be noticed")
    done = first.pmgsync("promote")
    assert "signed by mail1(1), mail3(3)" in done.out
    lead(cluster, first)
    second.start()
    new_master_works(cluster, first, second, third)
    assert all("Traceback" not in node.log_text() for node in cluster.nodes)
