"""Every Python block of docs/*.md runs, and what stands under one as text is what it prints."""

import contextlib
import io
import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "docs"
PAGES = sorted(FOLDER.glob("*.md"))


def blocks(text):
    """(language, first line's number, code) of each block."""
    for found in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S):
        yield found[1], text.count("\n", 0, found.start(2)) + 1, found[2]


def missing(excerpt, printed):
    """The first line of an excerpt that was not printed behind the one before it; "…" stands for any lines."""
    lines, at = printed.splitlines(), 0
    for line in excerpt.splitlines():
        if line.strip() == "…":
            continue
        if line.rstrip() not in [other.rstrip() for other in lines[at:]]:
            return line
        at += [other.rstrip() for other in lines[at:]].index(line.rstrip()) + 1
    return None


def test_there_are_pages():
    assert PAGES


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_blocks_run_and_print_what_the_page_says(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scope, printed = {"__name__": "__page__"}, ""
    for language, line, code in blocks(page.read_text(encoding="utf-8")):
        if language == "python":
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                exec(compile("\n" * (line - 1) + code, page.name, "exec"), scope)
            printed = output.getvalue()
        elif language == "text":
            assert missing(code, printed) is None
        else:
            assert language in ("", "sh"), f"line {line}: a block of {language!r} is not run"


@pytest.mark.parametrize(
    ("excerpt", "first"),
    [("one\nthree\n", None), ("one\n…\nthree", None), ("three\none\n", "one"), ("two \n", None), ("four", "four")],
)
def test_what_counts_as_printed(excerpt, first):
    assert missing(excerpt, "one\ntwo\nthree\n") == first
