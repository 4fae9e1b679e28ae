"""The course as a static site (`make book`); nothing is executed, and nothing fetched, to build or to read it."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_urls = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"].get("urls", {})

project = "fernb"
author = "the authors of fernb"
copyright = f"{author}, MIT licence"
html_title = "fernb: learn facial emotion recognition"
extensions = ["myst_nb", "sphinx_copybutton", "sphinx-mathjax-offline"]

# the sources are where they are in the repository, so that their links hold in both places
root_doc = "book/index"
guides = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"]
guides += ["docs/*.md", "*/README.md", "results/model/*.md"]
include_patterns = ["book/index.md", "notebooks/**", *guides]
exclude_patterns = [".*", "out", "runs", "**/.ipynb_checkpoints", "notebooks/solutions/*.py"]

nb_execution_mode = "off"
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "amsmath", "deflist"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header", "mystnb.unknown_mime_type"]

html_theme = "sphinx_book_theme"
html_theme_options = {
    "show_toc_level": 2,
    "home_page_in_toc": True,
    "use_download_button": True,
    "use_fullscreen_button": False,
    "navbar_persistent": [],  # the search of the side bar is enough
} | ({"repository_url": _urls["Repository"], "use_repository_button": True} if "Repository" in _urls else {})
html_show_sourcelink = False
html_static_path, html_css_files = ["static"], ["course.css"]
html_extra_path = ["extra"]  # sends the site's root to book/index.html
