"""The plugin Table, as Template Toolkit has it."""

CASES: list[tuple[str, str | None]] = [
    # the shape
    (
        "[% USE table([1..10], rows=3); FOREACH r IN table.rows; r.join(','); ';'; END %]",
        "1,4,7,10;2,5,8,;3,6,9,;",
    ),
    (
        "[% USE table([1..10], cols=3); FOREACH r IN table.rows; r.join(','); ';'; END %]",
        "1,5,9;2,6,10;3,7,;4,8,;",
    ),
    (
        "[% USE table([1..10], rows=3); FOREACH c IN table.cols; c.join(','); ';'; END %]",
        "1,2,3;4,5,6;7,8,9;10,,;",
    ),
    (
        "[% USE table([1..10], cols=3); FOREACH c IN table.cols; c.join(','); ';'; END %]",
        "1,2,3,4;5,6,7,8;9,10,,;",
    ),
    (
        "[% USE table([1..10]); table.rows.size; table.cols.size; table.col(0).join %]",
        "1011 2 3 4 5 6 7 8 9 10",
    ),
    ("[% USE table([1..3], rows=5); table.rows.size; table.cols.size %]", "31"),
    (
        "[% USE table([1..3], cols=5); table.rows.size; table.cols.size; table.row(0).join(',') %]",
        "131,2,3",
    ),
    ("[% USE table([]); table.rows.size; table.cols.size %]", "00"),
    ("[% USE table([], rows=2); table.rows.size; table.cols.size; table.row(0).size %]", "00"),
    ("[% USE table([1..9], rows=3, cols=9); table.rows.size %]", "3"),
    ("[% USE table([1..9], ROWS=3); table.rows.size %]", "3"),
    ("[% USE TABLE([1..4], Rows='2 rows'); TABLE.rows.size %]", "2"),
    ("[% o = { rows => 2 }; USE table([1..4], o); table.rows.size; o.keys.size %]", "22"),
    ("[% USE table([1..10], cols=-2); table.rows.size; table.cols.size %]", "00"),
    # overlap
    (
        "[% USE table([1..10], rows=4, overlap=1); FOREACH c IN table.cols; c.join(','); ';'; END %]",
        "1,2,3,4;4,5,6,7;7,8,9,10;",
    ),
    (
        "[% USE table([1..10], cols=3, overlap=1); FOREACH c IN table.cols; c.join(','); ';'; END %]",
        "1,2,3,4;4,5,6,7;7,8,9,10;",
    ),
    (
        "[% USE table([1..10], rows=4, overlap=3); table.cols.size; table.row(3).join(',') %]",
        "104,5,6,7,8,9,10,,,",
    ),
    ("[% USE table([1..10], rows=3, overlap=3); %]", None),
    ("[% USE table([1..10], rows=3, overlap=5); table.rows.size; table.cols.size %]", "30"),
    # pad
    (
        "[% USE table([1..10], rows=4); table.col(2).size; table.row(3).size; table.row(3).join(',') %]",
        "434,8,",
    ),
    (
        "[% USE table([1..10], rows=4, pad=0); table.col(2).size; table.row(3).size; table.row(3).join(',') %]",
        "224,8",
    ),
    ("[% USE table([1..10], rows=4, pad=''); table.col(2).size; table.row(3).size %]", "22"),
    ("[% USE table([1..10], rows=4, pad='yes'); table.row(3).size %]", "3"),
    (
        "[% USE table([1..7], cols=3, pad=0); FOREACH r IN table.rows; r.join(','); ';'; END %]",
        "1,4,7;2,5;3,6;",
    ),
    # rows and columns by number
    (
        "[% USE t = table([1..6], rows=2); t.row(0).join; t.row(1).join; t.row(2).join; t.row(-1).join %]",
        "1 3 52 4 6",
    ),
    (
        "[% USE t = table([1..6], rows=2); t.col(0).join; t.col(2).join; t.col(3).join; t.col(-1).join %]",
        "1 25 6",
    ),
    (
        "[% USE t = table([1..6], rows=2); t.row.size; t.col.size; t.row('1').join; t.row(1.9).join; t.row(e).join %]",
        "232 4 62 4 61 3 5",
    ),
    ("[% USE t = table([1..6], rows=2); t.rows.1.0; t.cols.1.0; t.rows.first.first %]", "231"),
    (
        "[% x = [1..4]; USE t = table(x, rows=2); x.0 = 'new'; x.push(5); t.rows.first.join(',') %]",
        "new,3",
    ),
    ("[% USE t = table(lh, cols=2); t.row(0).first.x; t.row(0).last.y %]", "2A"),
    # other names
    ("[% USE t = table([1..6], rows=2); t.size; t.nrows; t.ncols; t.data; t.overlap; t.pad %]", ""),
    ("[% USE t = table([1..6], rows=2); t._SIZE %]", ""),
    ("[% USE t = table([1..6], rows=2); TRY; t.foo; CATCH; error.type; END %]", "undef"),
    ("[% USE t = table([1..6], rows=2); TRY; t.first; CATCH; error.type; END %]", "undef"),
    # data
    ("[% USE i = iterator([1..4]); USE t = table(i, rows=2); t.rows.first.join(',') %]", "1,3"),
    (
        "[% USE i = iterator([1..4]); x = i.get_first; USE t = table(i, rows=2); t.rows.size; t.rows.first.join(',') %]",
        "22,4",
    ),
    (
        "[% USE i = iterator([]); TRY; USE t = table(i); CATCH; error; END %]",
        "plugin error - table plugin failed: iterator failed to provide data for table: 3\n",
    ),
    (
        "[% TRY; USE table('text'); CATCH; error; END %]",
        "plugin error - table plugin failed: invalid table data, expecting a list\n",
    ),
    (
        "[% TRY; USE table(h); CATCH; error; END %]",
        "plugin error - table plugin failed: invalid table data, expecting a list\n",
    ),
    (
        "[% TRY; USE table; CATCH; error; END %]",
        "plugin error - table plugin failed: invalid table data, expecting a list\n",
    ),
    (
        "[% TRY; USE table(l, 3); CATCH; error; END %]",
        "plugin error - table plugin failed: invalid table parameters, expecting a hash\n",
    ),
    ("[% USE t = table(l, 0); t.rows.size %]", "3"),
]
