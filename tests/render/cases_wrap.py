"""The plugin Wrap and its filter, as Template Toolkit has it."""

CASES: list[tuple[str, str | None]] = [
    # the function
    ("[% USE wrap; wrap(text, 10) %]|", "The cat\nsat on\nthe mat|"),
    ("[% USE Wrap; Wrap(text, 10) %]|", "The cat\nsat on\nthe mat|"),
    ("[% USE w = wrap; w(text, 10, '* ', '  ') %]|", "* The cat\n  sat on\n  the mat|"),
    (
        "[% USE wrap; wrap(text.repeat(8)) %]|",
        "The cat sat on the matThe cat sat on the matThe cat sat on the matThe\ncat sat on the matThe cat sat on the matThe cat sat on the matThe cat\nsat on the matThe cat sat on the mat|",
    ),
    (
        "[% USE wrap; wrap(text.repeat(8), 0) %]|",
        "The cat sat on the matThe cat sat on the matThe cat sat on the matThe\ncat sat on the matThe cat sat on the matThe cat sat on the matThe cat\nsat on the matThe cat sat on the mat|",
    ),
    (
        "[% USE wrap; wrap(text.repeat(8), e, '', '> ') %]|",
        "The cat sat on the matThe cat sat on the matThe cat sat on the matThe\n> cat sat on the matThe cat sat on the matThe cat sat on the matThe cat\n> sat on the matThe cat sat on the mat|",
    ),
    ("[% USE wrap; wrap(text, '12 columns') %]|", "The cat sat\non the mat|"),
    ("[% USE wrap; wrap('', 10); wrap; wrap(n, 10, '* ') %]|", "|"),
    ("[% USE wrap; wrap('a', 10, '* ', '> ') %]|", "* a|"),
    # where lines end
    ("[% USE wrap; wrap('abcdefghij', 5) %]|", "abcd\nefgh\nij|"),
    ("[% USE wrap; wrap('abcd efgh ij', 5) %]|", "abcd\nefgh\nij|"),
    ("[% USE wrap; wrap('abcde efgh ij', 5) %]|", "abcd\ne\nefgh\nij|"),
    (
        "[% USE wrap; wrap('ab abcdefghijkl ij', 5, '', '  ') %]|",
        "ab\n  ab\n  cd\n  ef\n  gh\n  ij\n  kl\n  ij|",
    ),
    ("[% USE wrap; wrap(lines, 10) %]|", "one\ntwo\n\nthree\n|"),
    ("[% USE wrap; wrap(lines, 3) %]|", "on\ne\ntw\no\n\nth\nre\ne\n|"),
    ("[% USE wrap; wrap(blank, 20); wrap(blank, 4) %]|", "  a  b\t  a\n b  |"),
    ('[% USE wrap; wrap("a\\r\\nb\\r\\n\\r\\nc", 5) %]|', "a\r\nb\r\n\r\nc|"),
    ('[% USE wrap; wrap("a    b     c", 4) %]|', "a  \n b \n  \nc|"),
    ("[% USE wrap; wrap(\"a \\n b \\n\\n\", 10, '> ', '> ') %]|", "> a \n>  b \n|"),
    ("[% USE wrap; wrap('voilà là-bas, à côté', 7) %]|", "voilà\nl\udcc3\n-bas,\nà\ncôté|"),
    ("[% USE wrap; wrap('one-two/three', 6) %]|", "one-t\nwo/th\nree|"),
    # small widths
    ("[% USE wrap; wrap('abc de', 2) %]|", "a\nb\nc\nd\ne|"),
    ("[% USE wrap; wrap('abc de', 3, '    ', '') %]|", "    \nab\nc\nde|"),
    ("[% USE wrap; wrap('abc de', 3, '', '    ') %]|", "abc\n    d\n    e|"),
    ("[% USE wrap; x = wrap('abc de', 1); x.size; x.join(';') %]|", "3;;abc de|"),
    ("[% USE wrap; wrap(' a', 1).size; wrap('', 1) %]|", "3|"),
    # tabs
    ('[% USE wrap; wrap("a\\tb\\tc", 20) %]|', "a\tb\tc|"),
    ("[% USE wrap; wrap('a       b               c', 40) %]|", "a\tb\t\tc|"),
    ('[% USE wrap; wrap(text, 20, "\\t", "\\t") %]|', "\tThe cat sat\n\ton the mat|"),
    (
        "[% USE wrap; wrap(text, 20, '        ', '          ') %]|",
        "\tThe cat sat\n\t  on the\n\t  mat|",
    ),
    ('[% USE wrap; wrap("\\tx\\n\\n\\ty", 12, "\\t", \'\') %]|', "\t   \n    x\n\n\ty|"),
    # the filter
    ("[% FILTER wrap(10) %]a b[% END %]", None),
    (
        "[% USE wrap; FILTER wrap(10, '* ', '  ') %]The cat sat on the mat[% END %]|",
        "* The cat\n  sat on\n  the mat|",
    ),
    ("[% USE wrap; text | wrap(10) %]|", "The cat\nsat on\nthe mat|"),
    (
        "[% USE wrap; text.repeat(4) | wrap %]|",
        "The cat sat on the matThe cat sat on the matThe cat sat on the matThe\ncat sat on the mat|",
    ),
    (
        "[% USE wrap; FILTER w = wrap(8); text; END; 'and once more' | w %]|",
        "The cat\nsat on\nthe matand\nonce\nmore|",
    ),
    ("[% USE wrap; 'abc' | wrap(1) %]|", "3|"),
    ("[% BLOCK b; USE wrap; END; INCLUDE b; text | wrap(9) %]|", "The cat\nsat on\nthe mat|"),
]
