"""The plugins, as Template Toolkit has them."""

CASES: list[tuple[str, str | None]] = [
    ("[% USE f = format('<%s>') %][% f('a') %][% f(5) %]", "<a><5>"),
    ("[% USE format('%05d') %][% format(42) %]", "00042"),
    ("[% USE f = Format %][% g = f('%.2f') %][% g(3) %]", "3.00"),
    ("[% USE f = format('%s-%s') %][% f('a', 'b') %][% f('a') %][% f %]", "a-ba--"),
    (
        "[% USE i = iterator(l) %][% FOREACH x IN i %][% i.count %]:[% x %];[% END %]",
        "1:3;2:1;3:2;",
    ),
    ("[% USE Iterator([1,2]) %][% FOREACH x IN Iterator %][% Iterator.last %][% END %]", "01"),
    (
        "[% USE i = iterator(l) %][% i.size %]|[% i.get_first %]|[% i.size %]|[% i.get_next %]|[% i.index %]|[% i.get_all.join %]",
        "|3|3|1|1|2",
    ),
    (
        "[% USE Math %][% Math.abs(-3) %]|[% Math.sqrt(16) %]|[% Math.int(3.9) %]|[% Math.exp(0) %]|[% Math.log(1) %]",
        "3|4|3|1|0",
    ),
    (
        "[% USE Math %][% Math.sin(0) %]|[% Math.cos(0) %]|[% Math.atan2(1, 1) %]|[% Math.sqrt(2) %]",
        "0|1|0.785398163397448|1.4142135623731",
    ),
    ("[% USE Math %][% Math.sqrt(-1) %]", None),
    ("[% USE Math %][% Math.log(0) %]", None),
    ("[% USE m = Math %][% m.abs('-2.5') %]", "2.5"),
    ("[% USE math %]", None),
    ("[% USE nosuch %]", None),
    ("[% TRY; USE nosuch; CATCH plugin; error.type; END %]", "plugin"),
]
