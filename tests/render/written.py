"""What the templates of the written cases read and call. The tables are `cases_*.py`."""

from typing import Any

VARIABLES: dict[str, Any] = {
    "s": "abc",
    "z": 0,
    "e": "",
    "n": None,
    "one": 1,
    "h": {"a": 1, "b": 2},
    "l": [3, 1, 2],
    "el": [],
    "eh": {},
    "lh": [{"x": 2, "y": "b"}, {"x": 10, "y": "A"}],
    "nested": {"list": [{"k": "v"}, [1, 2]], "hash": {"deep": {"er": "x"}}},
    "latin": "é",
    "text": "The cat sat on the mat",
    "lines": "one\ntwo\n\nthree\n",
    "blank": "  a  b  ",
    "markup": '<a href="x">Q&A\'s</a>',
    "number": 42,
    "float": 3.75,
    "zero": "0",
}

FILES = {
    "inc": "<[% x %]>",
    "wrap": "{[% content %]}",
    "outer": "([% content %])",
    "broken": "[% IF %]",
    "blocks": "[% BLOCK inner %]i[% x %][% END %]main",
    "meta": "[% META author='me' %][% template.name %],[% component.name %],[% component.author %]",
    "sets": "[% x = 'set' %]",
    "stops": "a[% STOP %]b",
    "returns": "a[% RETURN %]b",
    "throws": "a[% THROW my.kind 'why' %]b",
    "itself": "[% PROCESS itself %]",
    "sub/part": "part",
    "a.b.c": "dots",
}
