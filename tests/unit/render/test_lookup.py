"""Which template counts: the override, then PMG's, then ours."""

import pytest

from pmgsync.render.lookup import Lookup, Origin, Template


def lookup(
    override: dict[str, bytes] | None = None,
    pmg: dict[str, bytes] | None = None,
    ours: dict[str, bytes] | None = None,
) -> Lookup:
    return Lookup((override or {}).get, (pmg or {}).get, (ours or {}).get)


ALL = lookup(
    {"a.in": b"override"},
    {"a.in": b"pmg", "b.in": b"pmg"},
    dict.fromkeys(("a.in", "b.in", "c.in"), b"ours"),
)


@pytest.mark.parametrize(
    ("name", "origin"),
    [("a.in", Origin.OVERRIDE), ("b.in", Origin.PMG), ("c.in", Origin.OURS)],
)
def test_the_first_place_that_has_it_counts(name: str, origin: Origin) -> None:
    found = ALL.find(name)
    assert found is not None
    assert found.origin is origin


def test_what_is_nowhere() -> None:
    assert ALL.find("d.in") is None
    assert ALL.all("d.in") == ()


def test_all_places_that_have_it_first_to_last() -> None:
    assert [template.source for template in ALL.all("a.in")] == [b"override", b"pmg", b"ours"]


def test_an_empty_override_is_one() -> None:
    assert lookup({"a": b""}, {"a": b"x"}).find("a") == Template("a", Origin.OVERRIDE, b"")


# --- Jinja2 ---


def test_plain_jinja_comes_before_the_same_name_in_its_place() -> None:
    found = lookup({"a.in": b"tt", "a.in.j2": b"jinja"}).find("a.in")
    assert found == Template("a.in.j2", Origin.OVERRIDE, b"jinja")
    assert found.is_jinja


def test_plain_jinja_may_stand_alone() -> None:
    found = lookup({"a.in.j2": b"jinja"}, {"a.in": b"pmg"}).find("a.in")
    assert found == Template("a.in.j2", Origin.OVERRIDE, b"jinja")


def test_jinja_in_a_later_place_does_not_count_before_an_override() -> None:
    found = lookup({"a.in": b"tt"}, {}, {"a.in.j2": b"jinja"}).find("a.in")
    assert found == Template("a.in", Origin.OVERRIDE, b"tt")
    assert not found.is_jinja


# --- demo ---


DEMO = {"main.cf.in": b"pmg", "main.cf.in.demo": b"demo"}


def test_the_demo_variant_is_taken_only_in_demo_mode() -> None:
    assert lookup(pmg=DEMO).chosen("main.cf.in", demo=True) == "main.cf.in.demo"
    assert lookup(pmg=DEMO).chosen("main.cf.in", demo=False) == "main.cf.in"


def test_a_template_without_a_demo_variant_stays_itself() -> None:
    assert lookup(pmg={"clamd.conf.in": b""}).chosen("clamd.conf.in", demo=True) == "clamd.conf.in"


def test_an_override_alone_makes_no_demo_variant() -> None:
    only = lookup({"main.cf.in.demo": b"x"}, {"main.cf.in": b"pmg"}, DEMO)
    assert only.chosen("main.cf.in", demo=True) == "main.cf.in"


def test_the_demo_variant_may_be_overridden() -> None:
    places = lookup({"main.cf.in.demo": b"mine"}, DEMO)
    name = places.chosen("main.cf.in", demo=True)
    found = places.find(name)
    assert found is not None
    assert found.source == b"mine"


def test_without_pmg_our_own_demo_variants_count() -> None:
    assert lookup(ours=DEMO).chosen("main.cf.in", demo=True) == "main.cf.in.demo"


# --- ways out ---


@pytest.mark.parametrize("name", ["../secret", "/etc/shadow", "a/../../b", "", "a//b", "a\0b", "."])
def test_no_name_leads_out_of_its_place(name: str) -> None:
    asked: list[str] = []

    def load(wanted: str) -> bytes:
        asked.append(wanted)
        return b"secret"

    assert Lookup(load, load, load).find(name) is None
    assert asked == []


def test_a_template_may_lie_deeper() -> None:
    assert lookup({"parts/tls.inc": b"x"}).find("parts/tls.inc") is not None


def test_what_an_override_hides_is_not_looked_at() -> None:
    def trap(_name: str) -> bytes:
        raise AssertionError("it lies there as a link, say")

    found = Lookup({"a.in": b"mine"}.get, trap, trap).find("a.in")
    assert found is not None
    assert found.source == b"mine"
