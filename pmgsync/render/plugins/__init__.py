"""PURE. The plugins that are data and nothing else: they read no file and run no program."""
