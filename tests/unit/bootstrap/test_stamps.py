"""Content hashes and stamps: nothing is redone when nothing changed."""

from pathlib import Path

import pytest

from deploy.bootstrap.stamps import content_hash, files_below, read_stamp, write_stamp


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in (("a.ts", "1"), ("src/b.ts", "2"), ("node_modules/c.js", "3")):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


def tree_hash(tree: Path) -> str:
    return content_hash(files_below(tree, skip=frozenset({"node_modules"})), tree)


def test_the_hash_is_of_contents_not_of_times_or_order(tree: Path) -> None:
    before = tree_hash(tree)
    (tree / "a.ts").write_text("1")
    assert tree_hash(tree) == before
    files = files_below(tree, skip=frozenset({"node_modules"}))
    assert content_hash(reversed(files), tree) == before


@pytest.mark.parametrize(("name", "text"), [("a.ts", "9"), ("src/new.ts", ""), ("src/b.ts", "")])
def test_a_changed_or_new_file_changes_the_hash(tree: Path, name: str, text: str) -> None:
    before = tree_hash(tree)
    (tree / name).write_text(text)
    assert tree_hash(tree) != before


def test_a_renamed_file_changes_the_hash(tree: Path) -> None:
    before = tree_hash(tree)
    (tree / "a.ts").rename(tree / "z.ts")
    assert tree_hash(tree) != before


def test_what_is_skipped_does_not_count(tree: Path) -> None:
    before = tree_hash(tree)
    (tree / "node_modules" / "c.js").write_text("9")
    assert tree_hash(tree) == before


def test_a_stamp_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "stamp.json"
    write_stamp(path, {"lock": "abc"})
    assert read_stamp(path) == {"lock": "abc"}
    assert [entry.name for entry in path.parent.iterdir()] == ["stamp.json"]


@pytest.mark.parametrize("text", ["", "{", "[1]", "3"])
def test_a_missing_or_torn_stamp_means_do_it_again(tmp_path: Path, text: str) -> None:
    path = tmp_path / "stamp.json"
    assert read_stamp(path) == {}
    path.write_text(text)
    assert read_stamp(path) == {}
