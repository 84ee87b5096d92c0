"""Settings of Sphinx; `make docs` builds, and takes warnings for errors."""

import importlib.metadata

project = "pulse"
author = "the authors of pulse"
copyright = "2026, the authors of pulse"
release = importlib.metadata.version("pulse-latent")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.intersphinx",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]
# Nothing is fetched while the documentation is built; links to other projects are written out.
intersphinx_mapping: dict[str, tuple[str, None]] = {}
exclude_patterns = ["_build", "**/.ipynb_checkpoints"]
root_doc = "index"

# The protocol and the classes that honour it are all called Generator; links in type hints take the first.
suppress_warnings = ["ref.python"]

html_theme = "furo"
html_title = "pulse"
html_theme_options = {"source_edit_link": ""}

myst_enable_extensions = ["amsmath", "dollarmath", "deflist", "colon_fence"]
myst_heading_anchors = 3

nb_execution_mode = "force"
nb_execution_timeout = 120
nb_execution_raise_on_error = True
nb_merge_streams = True

autodoc_typehints = "description"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_google_docstring = True
napoleon_numpy_docstring = False


def _plain_bars(app, what, name, obj, options, lines):
    """Docstrings write |x| for a length; reStructuredText would take that for a substitution."""
    lines[:] = [line.replace("|", r"\|") for line in lines]


def setup(app):
    # Before napoleon, which runs at the default priority of 500.
    app.connect("autodoc-process-docstring", _plain_bars, priority=400)
