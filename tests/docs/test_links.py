"""Links between pages lead somewhere, on GitHub as in the site."""

import re

import pytest
from reader import PAGES, ROOT, anchors, links


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_titles_that_are_there(page):
    for link in links(page):
        if re.match(r"https?://", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {link}"
        assert target.is_relative_to(ROOT), f"{page.name}: {link} leads out of the project"
        assert not anchor or anchor in anchors(target), f"{page.name}: {link}"


def test_readme_is_one_screen_before_its_links_and_names_the_papers_programs():
    lines = (ROOT / "README.md").read_text().splitlines()
    assert lines.index("## Pages") <= 60
    text = "\n".join(lines)
    for command in (
        "bash scripts/demo.sh",
        "bash scripts/test.sh",
        "python hodor/inference/main.py <ckpt> --dataset davis_val",
        "python hodor/training/main.py --cfg configs/static.yaml",
    ):
        assert command in text


def test_every_page_is_linked_from_readme():
    linked = {(ROOT / link.partition("#")[0]).resolve() for link in links(ROOT / "README.md") if "://" not in link}
    assert set(PAGES) - {ROOT / "README.md"} <= linked


def test_pictures_of_failures_are_small():
    pictures = [*(ROOT / "docs/pictures").glob("trouble_*.jpg")]
    assert len(pictures) >= 4 and all(picture.stat().st_size < 150_000 for picture in pictures)
