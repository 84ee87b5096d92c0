"""Packaging; the settings of the tools are in pyproject.toml."""

from pathlib import Path

from setuptools import find_packages, setup

setup(
    name="pulse",
    version="0.1.0",
    description="Walk a generator's latent space until what it draws fits what you have.",
    long_description=(Path(__file__).parent / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.10,<3.14",
    packages=find_packages(include=["cuda_ops*", "stylegan*", "pulse*"]),
    package_data={"stylegan": ["weights/*.safetensors"], "cuda_ops": ["py.typed"], "pulse": ["py.typed"]},
    install_requires=[
        "torch>=2.6,<3",
        "numpy>=1.26",
        "pillow>=10.3",
        "scipy>=1.11",
        "ninja>=1.11",
        "safetensors>=0.5",
    ],
    extras_require={
        # The commands `pulse` and `stylegan`, `python -m stylegan.training`, and progress bars.
        "cli": ["typer>=0.12", "rich>=13"],
        # Finding faces: the measurements of benchmarks/faces.py.
        "faces": ["dlib-bin>=19.24"],
        # What `make test` runs.
        "test": ["pytest>=8", "hypothesis>=6.100", "ruff==0.17.5", "mypy==2.4.1"],
    },
    entry_points={"console_scripts": ["pulse = pulse.cli:main", "stylegan = stylegan.cli:main"]},
)
