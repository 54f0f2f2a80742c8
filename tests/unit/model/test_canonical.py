"""Canonical JSON: one byte form, and readers that refuse everything else."""

import pytest

from pmgsync.errors import MalformedError
from pmgsync.model.canonical import MAX_DOCUMENT_BYTES, Fields, decode, encode


def test_one_value_has_one_byte_form() -> None:
    assert encode({"b": 1, "a": [True, None, "é"]}) == b'{"a":[true,null,"\\u00e9"],"b":1}'
    assert encode({"b": 1, "a": 2}) == encode({"a": 2, "b": 1})


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_without_a_json_form_is_not_encoded(value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        encode({"a": value})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"nonsense",
        b"\xff\xfe",
        b'{"a":1}x',
        b'{"a":1.0}',
        b'{"a":1e3}',
        b'{"a":-0.0}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":1,"a":2}',
        b'{"b":{"a":1,"a":1}}',
        b'{"a":"\\ud800"}',
        b'{"a":["\\uDFFF"]}',
        b'{"\\ud83d":1}',
        b'{"a":"\xed\xa0\x80"}',
        b'\xef\xbb\xbf{"a":1}',
        '{"a":1}'.encode("utf-16"),
        '{"a":1}'.encode("utf-32-le"),
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"a":"tab\there"}',
    ],
    ids=lambda data: repr(data[:24]),
)
def test_what_has_no_canonical_form_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedError, match="a thing is not JSON"):
        decode(data, "a thing")


@pytest.mark.parametrize("data", [b"[]", b"1", b'"text"', b"null", b"true"])
def test_a_document_is_an_object(data: bytes) -> None:
    with pytest.raises(MalformedError, match="a thing is not an object"):
        decode(data, "a thing")


def test_a_pair_of_surrogates_is_one_character() -> None:
    assert decode(b'{"a":"\\ud83d\\ude00"}', "a thing").take("a", str) == "\U0001f600"


def test_a_document_is_refused_for_its_size_before_it_is_parsed() -> None:
    with pytest.raises(MalformedError, match="larger than 8 bytes"):
        decode(b"not JSON at all", "a thing", most=8)
    with pytest.raises(MalformedError, match="larger than"):
        decode(bytes(MAX_DOCUMENT_BYTES + 1), "a thing")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (True, int),
        (1, bool),
        ("1", int),
        (1, str),
        ([], dict),
        ({}, list),
        (None, str),
        (None, int),
    ],
)
def test_a_member_must_be_exactly_of_its_type(value: object, kind: type[object]) -> None:
    with pytest.raises(MalformedError, match=rf"a thing: 'a' is not {kind.__name__}"):
        Fields({"a": value}, "a thing").take("a", kind)


def test_a_missing_member_is_named() -> None:
    with pytest.raises(MalformedError, match="a thing has no 'b'"):
        Fields({"a": 1}, "a thing").take("b", int)


def test_a_member_is_taken_once() -> None:
    fields = Fields({"a": 1}, "a thing")
    assert fields.take("a", int) == 1
    with pytest.raises(MalformedError, match="has no 'a'"):
        fields.take("a", int)


def test_a_surplus_member_is_named_and_a_long_name_is_cut() -> None:
    fields = Fields({"a": 1, "z" * 10_000: 2}, "a thing")
    fields.take("a", int)
    with pytest.raises(MalformedError, match="unknown 'zzz") as caught:
        fields.done()
    assert len(str(caught.value)) < 200


def test_all_taken_is_done() -> None:
    fields = Fields({"a": 1}, "a thing")
    fields.count("a")
    fields.done()


def test_an_optional_member_may_be_missing_or_null_but_not_of_another_type() -> None:
    fields = Fields({"null": None, "text": "x", "bad": 1}, "a thing")
    assert [fields.optional(name, str) for name in ("gone", "null", "text")] == [None, None, "x"]
    with pytest.raises(MalformedError):
        fields.optional("bad", str)
    fields.done()


@pytest.mark.parametrize("value", [-1, 2**53 + 1, 10**400, True, "1", None])
def test_a_count_is_a_whole_number_within_its_bounds(value: object) -> None:
    with pytest.raises(MalformedError):
        Fields({"a": value}, "a thing").count("a")


def test_a_count_takes_both_ends_of_its_range() -> None:
    assert Fields({"a": 0}, "a thing").count("a") == 0
    assert Fields({"a": 2**53}, "a thing").count("a") == 2**53
    assert Fields({"a": 1}, "a thing").count("a", least=1, most=1) == 1
    with pytest.raises(MalformedError, match=r"1\.\.2"):
        Fields({"a": 0}, "a thing").count("a", least=1, most=2)


def test_an_optional_count_is_a_count_where_it_is_there() -> None:
    fields = Fields({"a": None, "b": 3, "c": -3}, "a thing")
    assert [fields.optional_count(name) for name in ("a", "b", "gone")] == [None, 3, None]
    with pytest.raises(MalformedError):
        fields.optional_count("c")


@pytest.mark.parametrize("rows", [[1], ["a", None], "ab", {"a": "b"}, None, [["a"]]])
def test_a_list_of_texts_holds_nothing_else(rows: object) -> None:
    with pytest.raises(MalformedError):
        Fields({"a": rows}, "a thing").texts("a")


def test_a_list_of_texts_may_have_to_have_a_length() -> None:
    assert Fields({"a": ["x", "y"]}, "a thing").texts("a", exactly=2) == ["x", "y"]
    assert Fields({"a": []}, "a thing").texts("a") == []
    with pytest.raises(MalformedError, match="a list of 3 strings"):
        Fields({"a": ["x", "y"]}, "a thing").texts("a", exactly=3)
