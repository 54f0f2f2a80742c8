"""How long service files take: in the daemon, as a command, and beside Perl's Template Toolkit.

    PYTHONPATH=. .venv/bin/python bench/rendering.py [RUNS]

Three rows, each the median of RUNS: every service file rendered in a process that has compiled the
templates (a new value for every variable each time, so that nothing is remembered); `pmgsync sync
--dry-run` from process start to exit; and Perl, from process start to exit, rendering the same
templates with the same variables (Debian's libtemplate-perl). The second and the third are run
one after the other, so that both meet the same machine.
"""

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

from pmgsync.cli.rendering import OURS, our_template, template_runner
from pmgsync.model.facts import HostFacts
from pmgsync.render.inputs import inputs_of
from pmgsync.render.lookup import Lookup
from pmgsync.render.plan import Renderer
from pmgsync.render.targets import TARGETS, Places

CONF = b"section: mail\n\trelay 192.0.2.25\n\ttls 1\n\nsection: spam\n\tuse_bayes 1\n"
FACTS = HostFacts("mail1", "192.0.2.1", "example.com", memory_mib=4096, postgres_version="15")
WARM_MS, SYNC_MS, BESIDE_PERL_MS = 30, 400, 200

PERL = r"""
use strict; use warnings; use Template; use JSON::PP;
my ($folder, @names) = @ARGV;
my $variables = decode_json(do { local $/; <STDIN> });
my $toolkit = Template->new({ INCLUDE_PATH => $folder });
for my $name (@names) {
    my $output = '';
    $toolkit->process($name, $variables, \$output) || die $toolkit->error . "\n";
}
"""
Contents = dict[str, bytes]


def warm_ms(runs: int) -> list[float]:
    """All service files, templates compiled, no value as it was before."""
    lookup = Lookup(nothing, nothing, our_template)
    taken = []
    run = template_runner()
    for number in range(runs + 1):
        facts = replace(FACTS, hostname=f"mail{number}", address=f"192.0.2.{number % 250 + 1}")
        conf = CONF.replace(b"192.0.2.25", b"192.0.2.%d" % (number % 250 + 1))
        began = time.perf_counter()
        inputs = inputs_of({"etc/pmg/pmg.conf": conf}.get, facts)  # type: ignore[arg-type] # dict.get is overloaded
        files = Renderer(run).render(lookup, inputs, Places("15"))
        taken.append((time.perf_counter() - began) * 1000)
        assert len(files) == len(TARGETS)
    return taken[1:]  # the first one compiles


def nothing(_name: str) -> bytes | None:
    return None


def process_ms(argv: list[str], given: bytes = b"") -> float:
    """From start to exit; it must end well."""
    began = time.perf_counter()
    done = subprocess.run(argv, input=given, capture_output=True, check=False)
    taken = (time.perf_counter() - began) * 1000
    assert done.returncode == 0, done.stderr.decode()
    return taken


def variables() -> bytes:
    """Those of the example node, as JSON for Perl."""
    return json.dumps(inputs_of({"etc/pmg/pmg.conf": CONF}.get, FACTS).variables).encode()  # type: ignore[arg-type] # as above


def beside(runs: int) -> tuple[list[float], list[float]]:
    """`pmgsync sync --dry-run` and Perl, in turns."""
    templates = [target.template for target in TARGETS if target.template]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "etc/pmg").mkdir(parents=True)
        (root / "etc/pmg/pmg.conf").write_bytes(CONF)
        facts = root / "facts.json"
        facts.write_text(json.dumps(FACTS.to_json()))
        sync = [sys.executable, "-m", "pmgsync", "sync", "--root", folder, "--dry-run"]
        sync += ["--facts", str(facts)]
        perl = ["perl", "-e", PERL, str(OURS), *templates]
        given = variables()
        process_ms(sync)
        process_ms(perl, given)
        taken = [(process_ms(sync), process_ms(perl, given)) for _ in range(runs)]
    return [pair[0] for pair in taken], [pair[1] for pair in taken]


def main(runs: int) -> int:
    """Print the table; 1 if a target is missed."""
    warm = median(warm_ms(runs))
    syncs, perls = beside(runs)
    sync, perl = median(syncs), median(perls)
    rows = [
        ("all service files, warm in the daemon", warm, f"<= {WARM_MS} ms", warm <= WARM_MS),
        ("pmgsync sync --dry-run, start to exit", sync, f"<= {SYNC_MS} ms", sync <= SYNC_MS),
        ("Perl, Template Toolkit, start to exit", perl, "", True),
        (
            "sync --dry-run more than Perl",
            sync - perl,
            f"<= {BESIDE_PERL_MS} ms",
            sync - perl <= BESIDE_PERL_MS,
        ),
    ]
    for what, milliseconds, target, met in rows:
        print(f"{what:40}{milliseconds:8.1f} ms  {target:12}{'' if met else 'MISSED'}")
    return 0 if all(met for *_, met in rows) else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 15))
