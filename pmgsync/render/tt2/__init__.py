"""PURE. Template Toolkit to Jinja2: lexer, nodes, parser, emitter, each callable alone."""
