"""Differences that comparing many made-up templates has found, as Template Toolkit has them."""

CASES: list[tuple[str, str | None]] = [
    # increments are magic for every string of letters, then digits
    (
        "[% x = '00'; inc(x); ' '; inc('99'); ' '; inc('inf'); ' '; inc('Az'); ' '; inc('zZ9'); ' '; inc('-3'); ' '; inc('1.5'); ' '; inc('a-b'); ' '; inc(''); ' '; inc('99999999999999999999') %]",
        "01 100 ing Ba aaA0 -2 2.5 1 1 100000000000000000000",
    ),
    (
        "[% l.hash('x').keys.sort.join %] [% l.hash('08').keys.sort.join %] [% l.hash('').keys.sort.join %] [% l.hash('3x').keys.sort.join %] [% l.hash(1.5).keys.sort.join %]",
        "x y z 08 09 10 0 1 2 3x 4 5 1.5 2.5 3.5",
    ),
    # a quotient is a floating number
    (
        "[% USE Dumper(indent=0); x = { a => 10 / 5, b => 6 * 2, c => 7 div 2, d => 9 mod 5 }; Dumper.dump(x) %]",
        "$VAR1 = {'a' => '2','b' => 12,'c' => 3,'d' => 4};",
    ),
    # a modulus beyond 64 bits, and of what is no number
    (
        "[% 'inf' % 3 %] [% 3 % 'inf' %] [% -3 % 'inf' %] [% 3 % 'nan' %] [% 'nan' % 'nan' %] [% 2.5 % '1e20' %] [% -2.5 % '1e20' %] [% '1e20' % 7 %] [% '1e20' % 2.5 %]",
        "NaN 3 Inf NaN NaN 2.5 1e+20 2 1",
    ),
    ("[% 'inf' % 'x' %]", None),
    ("[% 3 % 0.9 %]", None),
    # strings that Perl would not see the end of
    ("[% 'a\\' %]", None),
    ("[% 'a\\\\' %]", "a\\"),
    ("[% 'a\\\\\\' %]", None),
    # split: limits, groups, empty separators
    (
        "[% s.split('', 2).join('|') %] [% s.split('', 4).join('|') %] [% s.split('', -1).join('|') %] [% s.split('(b)', 2).join('|') %] [% s.split('(x)?', 2).join('|') %]",
        "a|bc a|b|c| a|b|c| a|b|c a||bc",
    ),
    (
        "[% x = 'a,b,,c,,'; x.split(',?').join('|') %] [% x.split(',', -1).join('|') %] [% x.split('(,)').join('|') %] [% x.split('(,)|(b)').size %] [% x.split(',', 1).size %] [% x.split('^a').join('|') %]",
        "a|b||c a|b||c|| a|,|b|,||,|c|,||, 17 1 |,b,,c,,",
    ),
    (
        "[% lines.split('^').size %] [% x = \"one\\ntwo\\n\"; x.split('^').join('|') %]",
        "4 one\n|two\n",
    ),
    # chunk: what is no whole number cuts at the ends of lines only
    (
        "[% x = \"abcde\\nfg\"; x.chunk('x').join('|') %] [% x.chunk(2.5).join('|') %] [% x.chunk(2).join('|') %] [% x.chunk(-2).join('|') %] [% x.chunk('-1.5').join('|') %] [% x.chunk(0).size %]",
        "abcde|fg abcde|fg ab|cd|e|fg a|bc|de|fg abcde|fg 7",
    ),
    # a fraction of an item, a length below 0
    (
        "[% l.first(0.75).join %]|[% l.first(1.5).join %]|[% l.last(0.75).join %]|[% l.first(-1).size %]",
        "3|3||0",
    ),
    (
        "[% text | truncate(-2) %]|[% text | truncate(1) %]|[% text | truncate(-9, 'abcdefghijklm') %]",
        ".|.|abcd",
    ),
    ("[% s.repeat('inf') %]|[% s | repeat('nan') %]", "|"),
    # delete gives the empty string
    ("[% eh.delete('a').first(3).join('|') %]", "||"),
    # lists of names
    ("[% x = [1, 2, 3]; k = [0, '1', 'a', -1, 1.5, ' 2', 9, -9]; x.$k.join('|') %]", "1|2|3|2|3"),
    ("[% x = { a => 1 }; k = ['a', 'b']; x.$k.size %]", "1"),
    ("[% x = [1, 2, 3]; x.${'1.5'} = 'a'; x.${' 2'} = 'b'; x.${'x'} = 'c'; x.join %]", "1 a b"),
    ("[% (l.-9 = 4) %]|[% l.join %]", "4|3 1 2"),
    ("[% s = h; $s = 5 %]", None),
    ("[% s = h; $s = BLOCK; 'x'; END %]", None),
    ("[% s = 'q.r'; $s = BLOCK; 1; END; q.r %]", "1"),
    ("[% $s = BLOCK; s = 'new'; 'out'; END; abc %]", "out"),
    # import at the root
    ("[% import(5); import; import({ q => 7 }); q; import(n); q %]", "77"),
    # a BLOCK knows its caller
    ("[% BLOCK q %][% component.caller %]|[% component.name %][% END %][% PROCESS q %]", "t|q"),
    # an iterator that is done is an error
    ("[% USE i = iterator([1]); i.get_first; TRY; i.get_next; CATCH; error.type; END %]", "1undef"),
    ("[% USE i = iterator([]); TRY; i.get_first; CATCH; error.type; END %]", "undef"),
    ("[% USE i = iterator([1, 2]); i.get_all.join; i.get_all %]", None),
    # formats
    (
        "[% USE f = format('%05x|%05s|%5s|%05s'); f(255, 'conf', '', '') %]",
        "000ff|0conf|     |00000",
    ),
    (
        "[% USE f = format('%d %i %u %x %hd %hhd %hu'); f('18446744073709551615', '1e20', '-1', '-1', 70000, 300, -1) %]",
        "-1 -1 18446744073709551615 ffffffffffffffff 4464 44 65535",
    ),
    (
        "[% USE f = format('%e %.0f %hf %zg %vs %+vd'); f('-0', '-0.0', '1.2') %]",
        "-0.000000e+00 -0 %hf %zg %vs +49.46.50",
    ),
    (
        "[% USE f = format('%*d|%-*d|'); f(5, 42, 5, 42); f(-5, 42, -5, 42) %]",
        "   42|42   |42   |42   |",
    ),
    (
        "[% USE f = format('%05d|%05s|%05f|%+05e|% d|%-5d|%hu'); f('inf', 'inf', 'nan', 'inf', 'inf', '-inf', 'nan') %]",
        "00Inf|00inf|00NaN|0+Inf|+Inf|-Inf |NaN",
    ),
    # what changes a text in place leaves an object alone
    ("[% USE s = String('a'); s.filter('repeat', 3).collapse; s %]", "aaaa"),
    # a plain CATCH that has nothing to do catches nothing
    ("[% TRY %]a[% THROW v.w 'x' %][% CATCH %][% END %]b", None),
    ("[% TRY %]a[% THROW v.w 'x' %][% CATCH v %][% END %]b", "ab"),
    ("[% TRY %]a[% THROW v.w 'x' %][% CATCH DEFAULT %][% # c %][% END %]b", None),
    ("[% TRY %]a[% THROW v.w 'x' %][% CATCH %] [% END %]b", "a b"),
    ("[% TRY %]a[% THROW v.w 'x' %][% CATCH %][% CATCH %]c[% FINAL %][% END %]b", "acb"),
    ("[% TRY; TRY; THROW a 'b'; CATCH; END; CATCH; error.type; END %]", "a"),
    # an error is a list of its type, its info and a reference to its text
    (
        "[% TRY; THROW a.b 'c'; CATCH; error.0; error.1; error.size; e.first(2).join; error.length; error.empty; END %]",
        "a.bc3a.b c0",
    ),
    (
        "[% TRY; INCLUDE broken; CATCH; error.info.type; '|'; error.type; '|'; error.info.0; END %]",
        "parse|file|parse",
    ),
    # a slice counts before it cuts
    (
        "[% l.slice(-0.5, 1).join %]|[% l.slice(-0.5).join %]|[% l.slice(0.5, 1.9).join %]|[% l.slice(0, -0.5).join %]|[% l.slice(-1.5).join %]",
        "|2|3 1|3 1 2|1 2",
    ),
    (
        "[% k = 10 / 4; l.$k %]|[% k = 0.1 + 0.2; l.$k %]|[% l.${' 1'} %]|[% l.${'2.'} %]|[% l.${'x'} %]",
        "2|3|1|2|",
    ),
    # outline tags stand at the start of a line, or right behind a tag
    ("[% TAGS outline %][% s -%]\n%% s\nx", "abcabcx"),
    ("[% TAGS outline %][% s =%]\n%% s\nx", "abc %% s\nx"),
    ("[% TAGS outline %][% s ~%]\n  %% s\nx", "abcabcx"),
    ("[% TAGS outline %]a[% s %]%% s\n%% s\n\n %% s\nx%% s", "aabcabcabc\n %% s\nx%% s"),
    # who calls whom
    (
        "[% BLOCK a %]<[% component.callers.join(',') %]>[% END %][% BLOCK b; PROCESS a; END; PROCESS b; PROCESS a; INCLUDE meta %]",
        "<><t>t,meta,me",
    ),
    # a reference does not look for the methods of lists in a hash
    (
        "[% r = \\h.join; r; r = \\h.size; r; r = \\h.a; r; r = \\l.join; r(','); r = \\s.join; r %]",
        "213,1,2abc",
    ),
    # LAST and NEXT in a MACRO, of its own loops and switches
    ("[% MACRO m FOREACH y IN [1,2,3]; NEXT IF y==2; y; END; m %]", "13"),
    (
        "[% MACRO m BLOCK; WHILE 1; LAST; END; 'r'; END; m; FOREACH x IN [1,2]; m; x; END %]",
        "rr1r2",
    ),
    ("[% MACRO m SWITCH s; CASE 'abc'; LAST; END; m; FOREACH x IN [1,2]; m; x; END %]", "12"),
    # names in quotes, with dots and without
    ("[% a={b=>{c=>4}}; x=\\${'a'}.b.c; x; y=\\a.${'b'}; y.c %]", "44"),
    ("[% ${'p.q'} = BLOCK; 'v'; END; p.q %]", "v"),
    ("[% x = 'k'; $x = BLOCK; x='z'; 'v'; END; k; '-'; x %]", "v-z"),
]
