"""PURE. What a change is, who belongs to the cluster, and when a thing may be believed."""
