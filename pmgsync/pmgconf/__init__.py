"""PURE. The files of /etc/pmg, bytes to values and back."""
