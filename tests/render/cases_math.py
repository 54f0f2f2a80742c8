"""The plugin Math, as Template Toolkit has it: what is not in `cases_plugins`."""

CASES: list[tuple[str, str | None]] = [
    # hex
    (
        "[% USE Math; Math.hex('ff'); ' '; Math.hex('0xFF'); ' '; Math.hex('X1f'); ' '; Math.hex('ff_ff'); ' '; Math.hex('_f'); ' '; Math.hex('f__f') %]",
        "255 255 31 65535 15 15",
    ),
    (
        "[% USE Math; Math.hex('fg'); ' '; Math.hex(''); ' '; Math.hex('0x'); ' '; Math.hex(' 1'); ' '; Math.hex('-1'); ' '; Math.hex; ' '; Math.hex(12); ' '; Math.hex('0b1') %]",
        "15 0 0 0 0 0 18 177",
    ),
    (
        "[% USE Math; Math.hex('FFFFFFFFFFFFFFFF'); ' '; Math.hex('10000000000000000') %]",
        "18446744073709551615 1.84467440737096e+19",
    ),
    # oct
    (
        "[% USE Math; Math.oct('17'); ' '; Math.oct('0o17'); ' '; Math.oct('o7'); ' '; Math.oct('0x1F'); ' '; Math.oct('x1f'); ' '; Math.oct('0b101'); ' '; Math.oct('B11') %]",
        "15 15 7 31 31 5 3",
    ),
    (
        "[% USE Math; Math.oct('18'); ' '; Math.oct('8'); ' '; Math.oct('7_7'); ' '; Math.oct(\"\\t17 \"); ' '; Math.oct(''); ' '; Math.oct('-7'); ' '; Math.oct('1.5'); ' '; Math.oct; ' '; Math.oct(755) %]",
        "1 0 63 15 0 0 1 0 493",
    ),
    (
        "[% USE Math; Math.oct('1777777777777777777777'); ' '; Math.oct('7777777777777777777777') %]",
        "18446744073709551615 7.37869762948382e+19",
    ),
    # rand: after the same srand the same numbers, else only a range can be compared
    (
        "[% USE Math; Math.srand(42); ' '; Math.rand; ' '; Math.rand; ' '; Math.rand(10); ' '; Math.rand(-3); ' '; Math.rand('x') %]",
        "42 0.744525000061007 0.342701478718908 1.11085282444161 -1.26701687396493 0.0811111711783106",
    ),
    (
        "[% USE Math; Math.srand('7 seeds'); ' '; Math.rand; ' '; Math.srand(3.9); ' '; Math.rand; ' '; Math.srand(3); ' '; Math.rand %]",
        "18446744073709551615 0.300025727440701 3 0.783234962103055 3 0.783234962103055",
    ),
    (
        "[% USE Math; Math.srand(0); ' '; Math.rand; ' '; Math.srand; ' '; Math.rand; ' '; Math.srand(-1); ' '; Math.rand; ' '; Math.srand('1e3') %]",
        "0 but true 0.17082803610629 18446744073709551615 0.300025727440701 1 0.0416303447718782 18446744073709551615",
    ),
    (
        "[% USE Math; Math.srand(5000000000); ' '; Math.rand; ' '; Math.srand(705032704); ' '; Math.rand %]",
        "5000000000 0.498770526683987 705032704 0.498770526683987",
    ),
    (
        "[% USE a = Math; USE b = Math; x = a.srand(1); x = a.rand; y = b.srand(1); y = b.rand; x == y ? 'same' : 'other' %]",
        "same",
    ),
    (
        "[% USE Math; x = Math.rand; y = Math.rand(100); x >= 0 && x < 1 && y >= 0 && y < 100 && x != y ? 'in range' : 'not' %]",
        "in range",
    ),
    (
        "[% USE Math; x = Math.int(Math.rand(6)); x >= 0 && x < 6 && x == Math.int(x) ? 'a die' : 'not' %]",
        "a die",
    ),
    # others
    (
        "[% USE Math; Math.nosuch; Math.abs('-3x'); Math.int('-2.7'); Math.atan2(1, 2); Math.atan2(1) %]",
        "3-20.4636476090008061.5707963267949",
    ),
]
