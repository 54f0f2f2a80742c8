"""Adapters to the network: gRPC between nodes, HTTP on the local socket.

Importing anything from here first sets two switches of the grpc library, which reads them from the
environment when it is imported and never again. That is why they stand in this file: no module of
the package can run before it, and nothing else in pmgsync imports grpc. A value that the admin has
set is kept.

* GRPC_VERBOSITY=NONE: handshakes that failed are written to stderr otherwise, a line for each, so
  anybody who can reach the port could fill the journal. What matters is logged by `wire.server`.
* GRPC_ENABLE_FORK_SUPPORT=false: the daemon starts programs only by exec, and the library's fork
  handlers have a history of hanging.
"""

import os

_SWITCHES = {"GRPC_VERBOSITY": "NONE", "GRPC_ENABLE_FORK_SUPPORT": "false"}

for _name, _value in _SWITCHES.items():
    os.environ.setdefault(_name, _value)  # noqa: TID251 - written for a library, not read
