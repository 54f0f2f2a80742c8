"""pmgsync: the configuration of a Proxmox Mail Gateway cluster, whole and signed on every node."""

__version__ = "0.1.0"
