"""Adapters to the machine: disk, inotify, processes, the store, the clock. They do; they decide nothing."""
