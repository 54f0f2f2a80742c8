"""Adapters to the machine: disk, inotify, processes, store, clock. They do; they decide nothing."""
