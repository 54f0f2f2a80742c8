"""The plugin Dumper (keys are sorted on both sides), as Template Toolkit has it."""

CASES: list[tuple[str, str | None]] = [
    # values
    (
        "[% USE Dumper; Dumper.dump(1, -5, 'x', '42', 3.75, n, e, undef, 1 == 1, 1 == 2) %]",
        "$VAR1 = 1;\n$VAR2 = -5;\n$VAR3 = 'x';\n$VAR4 = '42';\n$VAR5 = '3.75';\n$VAR6 = '';\n$VAR7 = '';\n$VAR8 = '';\n$VAR9 = 1;\n$VAR10 = '';\n",
    ),
    (
        "[% USE Dumper; Dumper.dump(1234567890, 12345678901, -123456789, -1234567890, 10 / 4, 10 / 5, 2 * 3) %]",
        "$VAR1 = 1234567890;\n$VAR2 = '12345678901';\n$VAR3 = -123456789;\n$VAR4 = '-1234567890';\n$VAR5 = '2.5';\n$VAR6 = '2';\n$VAR7 = 6;\n",
    ),
    (
        '[% USE Dumper; Dumper.dump("it\'s", \'back\\\\slash\', "line\\nbreak", \'$x @y "z"\', latin) %]',
        "$VAR1 = 'it\\'s';\n$VAR2 = 'back\\\\slash';\n$VAR3 = 'line\nbreak';\n$VAR4 = '$x @y \"z\"';\n$VAR5 = 'é';\n",
    ),
    ("[% USE Dumper; Dumper.dump %]", ""),
    ("[% USE Dumper; Dumper.dump(a = 1) %]", "$VAR1 = {\n          'a' => 1\n        };\n"),
    (
        "[% USE d = dumper; d.dump([1..3]); d.foo; d.dump(1).length %]",
        "$VAR1 = [\n          1,\n          2,\n          3\n        ];\n11",
    ),
    # the layout
    (
        "[% USE Dumper; Dumper.dump(nested) %]",
        "$VAR1 = {\n          'hash' => {\n                      'deep' => {\n                                  'er' => 'x'\n                                }\n                    },\n          'list' => [\n                      {\n                        'k' => 'v'\n                      },\n                      [\n                        1,\n                        2\n                      ]\n                    ]\n        };\n",
    ),
    (
        "[% USE Dumper; Dumper.dump(lh, el, eh) %]",
        "$VAR1 = [\n          {\n            'x' => 2,\n            'y' => 'b'\n          },\n          {\n            'x' => 10,\n            'y' => 'A'\n          }\n        ];\n$VAR2 = [];\n$VAR3 = {};\n",
    ),
    (
        "[% USE Dumper; Dumper.dump([[[], {}], [[1, [2]]], 'x']) %]",
        "$VAR1 = [\n          [\n            [],\n            {}\n          ],\n          [\n            [\n              1,\n              [\n                2\n              ]\n            ]\n          ],\n          'x'\n        ];\n",
    ),
    (
        "[% USE Dumper(indent=1); Dumper.dump(nested, 'x') %]",
        "$VAR1 = {\n  'hash' => {\n    'deep' => {\n      'er' => 'x'\n    }\n  },\n  'list' => [\n    {\n      'k' => 'v'\n    },\n    [\n      1,\n      2\n    ]\n  ]\n};\n$VAR2 = 'x';\n",
    ),
    (
        "[% USE Dumper(Indent=0); Dumper.dump(nested, lh) %]",
        "$VAR1 = {'hash' => {'deep' => {'er' => 'x'}},'list' => [{'k' => 'v'},[1,2]]};$VAR2 = [{'x' => 2,'y' => 'b'},{'x' => 10,'y' => 'A'}];",
    ),
    (
        "[% USE Dumper(indent=3); Dumper.dump(lh, [5, [6]]) %]",
        "$VAR1 = [\n          #0\n          {\n            'x' => 2,\n            'y' => 'b'\n          },\n          #1\n          {\n            'x' => 10,\n            'y' => 'A'\n          }\n        ];\n$VAR2 = [\n          #0\n          5,\n          #1\n          [\n            #0\n            6\n          ]\n        ];\n",
    ),
    (
        "[% USE Dumper(Indent=7); Dumper.dump([5, [6]]) %]",
        "$VAR1 = [\n          #0\n          5,\n          #1\n          [\n            #0\n            6\n          ]\n        ];\n",
    ),
    (
        "[% USE Dumper(pad='# '); Dumper.dump(nested, \"a\\nb\") %]",
        "# $VAR1 = {\n#           'hash' => {\n#                       'deep' => {\n#                                   'er' => 'x'\n#                                 }\n#                     },\n#           'list' => [\n#                       {\n#                         'k' => 'v'\n#                       },\n#                       [\n#                         1,\n#                         2\n#                       ]\n#                     ]\n#         };\n# $VAR2 = 'a\nb';\n",
    ),
    (
        "[% USE Dumper(pad='# ', indent=0); Dumper.dump(h, l) %]",
        "# $VAR1 = {# 'a' => 1,# 'b' => 2# };# $VAR2 = [# 3,# 1,# 2# ];",
    ),
    (
        "[% USE Dumper(varname='conf'); Dumper.dump(h, l, l) %]",
        "$conf1 = {\n           'a' => 1,\n           'b' => 2\n         };\n$conf2 = [\n           3,\n           1,\n           2\n         ];\n$conf3 = $conf2;\n",
    ),
    (
        "[% USE Dumper(terse=1); Dumper.dump(nested, 1) %]",
        "{\n  'hash' => {\n              'deep' => {\n                          'er' => 'x'\n                        }\n            },\n  'list' => [\n              {\n                'k' => 'v'\n              },\n              [\n                1,\n                2\n              ]\n            ]\n}\n1\n",
    ),
    (
        "[% USE Dumper(terse=1, indent=1); Dumper.dump(nested, 1) %]",
        "{\n  'hash' => {\n    'deep' => {\n      'er' => 'x'\n    }\n  },\n  'list' => [\n    {\n      'k' => 'v'\n    },\n    [\n      1,\n      2\n    ]\n  ]\n}\n1\n",
    ),
    (
        "[% USE Dumper(terse=1, indent=0); Dumper.dump(nested, 1) %]",
        "{'hash' => {'deep' => {'er' => 'x'}},'list' => [{'k' => 'v'},[1,2]]}1",
    ),
    (
        "[% USE Dumper(maxdepth=1); Dumper.dump([1, 'x'], h) %]",
        "$VAR1 = [\n          1,\n          'x'\n        ];\n$VAR2 = {\n          'a' => 1,\n          'b' => 2\n        };\n",
    ),
    # quotes
    (
        "[% USE Dumper(useqq=1); Dumper.dump(\"a\\tb\\n\\\"\\\\ \\$ \\@\", '42', '007', '-9', '1234567890', 3.75, latin, 12345678901) %]",
        '$VAR1 = "a\\tb\\n\\"\\\\ \\$ \\@";\n$VAR2 = 42;\n$VAR3 = "007";\n$VAR4 = -9;\n$VAR5 = "1234567890";\n$VAR6 = "3.75";\n$VAR7 = "\\303\\251";\n$VAR8 = \'12345678901\';\n',
    ),
    (
        '[% USE Dumper(useqq=1); k = "a\\tb"; x = { x => ["\\n"] }; x.$k = "\\r1\\e2"; Dumper.dump(x) %]',
        '$VAR1 = {\n          "a\\tb" => "\\r1e2",\n          "x" => [\n                   "\\n"\n                 ]\n        };\n',
    ),
    (
        "[% USE Dumper(quotekeys=0); Dumper.dump({ a => 1, 'b-c' => 2, '7' => 3, '07' => 4, '' => 5, _x => 6, 'a::b' => 7, '-8' => 8 }) %]",
        "$VAR1 = {\n          '' => 5,\n          -8 => 8,\n          '07' => 4,\n          7 => 3,\n          _x => 6,\n          a => 1,\n          'a::b' => 7,\n          'b-c' => 2\n        };\n",
    ),
    (
        "[% USE Dumper; Dumper.dump({ 'it\\'s' => 1, '10' => 2, '9' => 3, b => 4, B => 5, 'a b' => 6 }) %]",
        "$VAR1 = {\n          '10' => 2,\n          '9' => 3,\n          'B' => 5,\n          'a b' => 6,\n          'b' => 4,\n          'it\\'s' => 1\n        };\n",
    ),
    # what is shown before
    (
        "[% USE Dumper; x = [1]; Dumper.dump({ a => x, b => x, c => { d => [x] } }, x, [x]) %]",
        "$VAR1 = {\n          'a' => [\n                   1\n                 ],\n          'b' => $VAR1->{'a'},\n          'c' => {\n                   'd' => [\n                            $VAR1->{'a'}\n                          ]\n                 }\n        };\n$VAR2 = $VAR1->{'a'};\n$VAR3 = [\n          $VAR1->{'a'}\n        ];\n",
    ),
    (
        "[% USE Dumper; x = { k => [{}] }; x.k.0.self = x; x.k.0.list = x.k; Dumper.dump(x) %]",
        "$VAR1 = {\n          'k' => [\n                   {\n                     'list' => $VAR1->{'k'},\n                     'self' => $VAR1\n                   }\n                 ]\n        };\n",
    ),
    (
        "[% USE Dumper(quotekeys=0, useqq=1); x = [1]; Dumper.dump({ a => x, 'b-c' => { d => [x] }, e => x }) %]",
        '$VAR1 = {\n          a => [\n                 1\n               ],\n          "b-c" => {\n                     d => [\n                            $VAR1->{a}\n                          ]\n                   },\n          e => $VAR1->{a}\n        };\n',
    ),
    (
        "[% USE Dumper(deepcopy=1); x = [1]; Dumper.dump({ a => x, b => x, c => { d => [x] } }) %]",
        "$VAR1 = {\n          'a' => [\n                   1\n                 ],\n          'b' => [\n                   1\n                 ],\n          'c' => {\n                   'd' => [\n                            [\n                              1\n                            ]\n                          ]\n                 }\n        };\n",
    ),
    (
        "[% USE Dumper(deepcopy=1); x = { k => [{}] }; x.k.0.self = x; Dumper.dump(x) %]",
        "$VAR1 = {\n          'k' => [\n                   {\n                     'self' => $VAR1\n                   }\n                 ]\n        };\n",
    ),
    (
        "[% USE Dumper; MACRO m BLOCK; 1; END; x = { f => \\m }; Dumper.dump(x) %]",
        "$VAR1 = {\n          'f' => sub { \"DUMMY\" }\n        };\n",
    ),
    # options stay
    (
        "[% USE Dumper(indent=1); USE d = Dumper; d.dump(h); USE d = Dumper(indent=0, terse=1); d.dump(h); Dumper.dump(5) %]",
        "$VAR1 = {\n  'a' => 1,\n  'b' => 2\n};\n{'a' => 1,'b' => 2}5",
    ),
    ("[% USE Dumper('text'); Dumper.dump(5) %]", "$VAR1 = 5;\n"),
    ("[% USE Dumper(indent=''); Dumper.dump([5]) %]", "$VAR1 = [5];"),
    # for a page
    (
        "[% USE Dumper; Dumper.dump_html({ '<a>' => 'x & \"y\"' }, \"a\\nb\") %]",
        "$VAR1 = {<br>\n          '&lt;a&gt;' =&gt; 'x &amp; \"y\"'<br>\n        };<br>\n$VAR2 = 'a<br>\nb';<br>\n",
    ),
]
