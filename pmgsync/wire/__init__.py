"""Adapters to the network: gRPC between nodes, HTTP on the local socket."""
