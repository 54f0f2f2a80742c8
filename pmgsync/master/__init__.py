"""The master role: watch, look, diff, sign, log, offer. Decides through ports; knows no adapter."""
