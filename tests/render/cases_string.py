"""The plugin String, as Template Toolkit has it."""

CASES: list[tuple[str, str | None]] = [
    # making one
    ("[% USE String 'abc'; String %]", "abc"),
    ("[% USE s = String('abc'); s; s.length; s.text %]", "abc3abc"),
    ("[% USE s = String(text='abc'); s %]", "abc"),
    ("[% USE s = String('first', text='second'); s %]", "second"),
    ("[% USE s = String; s.length; '<'; s; '>' %]", "0<>"),
    ("[% USE s = String(42); s + 1 %]", "43"),
    ("[% USE s = String(l); s.text.join(',') %]", "3,1,2"),
    ("[% USE string %]", None),
    ("[% USE s = String('a'); t = s.new('b'); u = t.copy; t.push('c'); s; t; u %]", "bcabcb"),
    (
        "[% USE s = String('a', filter='html'); t = s.copy; s.push('<'); t.push('<'); s; t %]",
        "a&lt;a<a&lt;a<",
    ),
    # as a value
    (
        "[% USE s = String('abc'); s == 'abc' ? 'same' : 'other'; s _ '!'; \"<$s>\" %]",
        "sameabc!<abc>",
    ),
    (
        "[% USE s = String(''); s ? 'true' : 'false'; s.push('0'); s ? 'true' : 'false'; s.push('0'); s ? 'true' : 'false' %]",
        "false0false00true",
    ),
    ("[% USE s = String('2 items'); s + 1; s > 1 ? 'more' : 'less' %]", "3more"),
    (
        "[% USE s = String('a'); FOREACH x IN s; x.length; END; x = [s, 'b']; x.join; x.sort.join %]",
        "1a ba b",
    ),
    ("[% USE s = String('x y'); s | upper; h.$s; SWITCH s; CASE 'x y'; 'case'; END %]", "X Ycase"),
    ("[% USE s = String('a'); t = s; t.push('b'); s %]", "abab"),
    # changing it
    (
        "[% USE s = String('a'); s.push('b', 'c').append('d').unshift('1', '2').prepend('0'); s.push; s %]",
        "012abcd012abcd012abcd",
    ),
    (
        "[% USE s = String('abcabc'); s.pop('bc'); '|'; s.pop('x'); '|'; s.pop; '|'; s.shift('[ab]'); '|'; s.shift; '|'; s.shift('c') %]",
        "abca|abca|abca|bca|bca|bca",
    ),
    ("[% USE s = String('a.b.'); s.pop('.'); s.shift('\\.') %]", "a.ba.b"),
    (
        "[% USE s = String('ab'); s.center(7); '|'; s.centre(3); '|'; s.center; '|' %]",
        "  ab   |  ab   |  ab   |",
    ),
    ("[% USE s = String('ab'); s.center(5); '|' %]", " ab  |"),
    (
        "[% USE s = String('ab'); s.left(5); '|'; s.right(8); '|'; s.left(2); '|'; s.right('x'); '|'; s.left; '|'; s.left(8.9); '|' %]",
        "ab   |   ab   |   ab   |   ab   |   ab   |   ab   |",
    ),
    (
        "[% USE s = String('ab'); s.format('<%4s>'); s.format('%-8s|'); s.format; s.format('') %]",
        "<  ab><  ab>  |<  ab>  |",
    ),
    ("[% USE s = String('12.5'); s.format('%05d') %]", "00012"),
    ("[% USE s = String('aBc'); s.upper; s.lower; s.capital; s %]", "ABCabcAbcAbc"),
    ('[% USE s = String("\\nabc"); s.capital %]', "\nabc"),
    ("[% USE s = String('über'); s.capital; s.upper; s.length %]", "überüBER5"),
    (
        "[% USE s = String(\"ab\\n\\n\"); s.chomp; '|'; s.chomp; '|'; s.chomp; s.chop; s.chop; s.chop; s.length %]",
        "ab\n|ab|aba0",
    ),
    ("[% USE s = String(\"  a   b \\n\"); s.trim; '|'; s.collapse; '|' %]", "a   b|a b|"),
    (
        "[% USE s = String('abcdef'); s.truncate; s.truncate(9); s.truncate(4); s.truncate(3, '..'); s.truncate(1, '...') %]",
        "abcdefabcdefabcda..a...",
    ),
    ("[% USE s = String('abcdef'); s.truncate(2, '....') %]", "abcd...."),
    (
        "[% USE s = String('ab'); s.repeat; s.repeat(2); s.repeat(1.9); s.repeat(0); s.length %]",
        "ababababab0",
    ),
    ("[% USE s = String('ab'); s.repeat(-1); s.length %]", "0"),
    (
        "[% USE s = String('a1b2'); s.replace('\\d', '#'); s.replace('(a)', '<$1>'); s.replace('#'); s.replace; s %]",
        "a#b#<$1>#b#<$1>b<$1>b<$1>b",
    ),
    ("[% USE s = String('a1b2'); s.remove('[0-9]'); s.remove('x'); s %]", "ababab"),
    # asking it
    (
        "[% USE s = String('abcdef'); s.substr; s.substr(2); s.substr(1, 2); s.substr(-2); s.substr(1, -1); s.substr(9); s %]",
        "abcdefcdefbcefbcdeabcdef",
    ),
    (
        "[% USE s = String('abcdef'); s.substr(1, 2, 'XYZ'); s; s.substr(0, 1, ''); s %]",
        "bcaXYZdefaXYZdef",
    ),
    ("[% USE s = String('abc'); s.substr(9, 1, 'x') %]", None),
    (
        "[% USE s = String(' a b,c '); s.split.join('|'); s.split(',').join('|'); s.split(',', 1).join('|'); s.split('').size %]",
        "|a|b,c a b|c  a b,c 7",
    ),
    (
        "[% USE s = String('a1b2'); s.search('\\d'); s.search('x') ? 'yes' : 'no'; s.search('(\\d)b(\\d)').join('-') %]",
        "1no1-2",
    ),
    (
        "[% USE s = String('abc'); s.equals('abc'); s.equals('abd') ? 'yes' : 'no'; t = String; s.equals(s) %]",
        "1no1",
    ),
    (
        "[% USE s = String('<a>'); s.filter('html'); s.filter('repeat', 2); s.filter('indent', '> '); s %]",
        "&lt;a&gt;<a><a>> <a><a>",
    ),
    (
        "[% USE s = String('a'); TRY; s.filter('nosuch'); CATCH; error; END; TRY; s.copy.filter('html'); CATCH; error.type; END %]",
        "String error - nosuch: filter not foundundef",
    ),
    (
        "[% USE s = String('a'); TRY; s.throw('no', ' way'); CATCH String; error.info; END %]",
        "no way",
    ),
    # output filters
    (
        "[% USE s = String('<a>', filter='html'); s; s.text; s.length; s.push('<'); s.filter('upper') %]",
        "&lt;a&gt;&lt;a&gt;3&lt;a&gt;&lt;<A><",
    ),
    (
        "[% USE s = String('<a>', filters='html, upper'); s; s.filters.size; s.filters.0.0 %]",
        "&LT;A&GT;2html",
    ),
    ("[% USE s = String('a', filter=['repeat', [3], 'upper']); s %]", "AAA"),
    ("[% USE s = String('a', filter={ repeat => 3 }); s %]", None),
    ("[% f = ['upper', 'html', '']; USE s = String('a<', filter=f); s; f.size %]", "A&lt;0"),
    (
        "[% USE s = String('a'); s.output_filter('upper'); s.output_filter({ indent => '> ' }); s %]",
        None,
    ),
    (
        "[% USE s = String('a', filter='nosuch'); TRY; s; CATCH; error; END %]",
        "String error - nosuch: filter not found",
    ),
    # what else an object has
    (
        "[% USE s = String('abc'); s.size; s.foo; s.first; s.join; s.max; s._CONTEXT; s.filters.size %]",
        "3abcabc00",
    ),
    (
        "[% USE s = String('abc'); s.foo = 'bar'; s.foo; s.size; s.text = 'x'; s; s.push = 'd'; s %]",
        "bar4abcabcd",
    ),
]
