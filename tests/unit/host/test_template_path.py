"""No name and no link leads out of the folders of templates."""

import os
from pathlib import Path

import pytest

from pmgsync.errors import InvalidError
from pmgsync.host.template_path import MOST_BYTES, TemplatePath


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    (tmp_path / "outside").write_bytes(b"secret")
    return first, second


def test_the_first_folder_that_has_it_wins(folders: tuple[Path, Path]) -> None:
    first, second = folders
    (second / "a").write_bytes(b"second")
    path = TemplatePath(folders)
    assert path("a") == b"second"
    (first / "a").write_bytes(b"first")
    assert path("a") == b"first"
    assert path("b") is None


def test_a_folder_that_does_not_exist_has_nothing(tmp_path: Path) -> None:
    assert TemplatePath([tmp_path / "none"])("a") is None


def test_jinja_goes_before_in_one_folder_and_not_across(folders: tuple[Path, Path]) -> None:
    first, second = folders
    (second / "a").write_bytes(b"")
    (second / "a.j2").write_bytes(b"")
    path = TemplatePath(folders)
    assert path.resolve("a") == "a.j2"
    (first / "a").write_bytes(b"")
    assert path.resolve("a") == "a"
    assert path.resolve("b") is None


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../outside", "a/../../outside", "..", ".", "", "a//b", "./a", "a\0b"]
)
def test_a_name_that_leads_elsewhere_is_refused(name: str, folders: tuple[Path, Path]) -> None:
    path = TemplatePath(folders)
    with pytest.raises(InvalidError):
        path(name)
    with pytest.raises(InvalidError):
        path.resolve(name)


def test_a_link_out_of_the_folders_is_refused(folders: tuple[Path, Path], tmp_path: Path) -> None:
    first, _ = folders
    (first / "link").symlink_to(tmp_path / "outside")
    (first / "folder").symlink_to(tmp_path)
    path = TemplatePath(folders)
    for name in ("link", "folder/outside"):
        with pytest.raises(InvalidError, match="leads out of the template path"):
            path(name)


def test_a_link_from_one_folder_to_another_is_fine(folders: tuple[Path, Path]) -> None:
    first, second = folders
    (second / "real").write_bytes(b"content")
    (first / "link").symlink_to(second / "real")
    assert TemplatePath(folders)("link") == b"content"


def test_what_is_no_file_or_too_large_is_refused(folders: tuple[Path, Path]) -> None:
    first, _ = folders
    (first / "folder").mkdir()
    os.mkfifo(first / "pipe")
    (first / "large").write_bytes(b"x" * (MOST_BYTES + 1))
    path = TemplatePath(folders)
    for name in ("pipe", "large", "folder"):
        with pytest.raises(InvalidError):
            path(name)
