"""The agent role, on every node: verify, stage, activate, report. Decides through ports; knows no
adapter.
"""
