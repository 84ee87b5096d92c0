"""Packaging; the settings of the tools are in pyproject.toml."""

import importlib.util
import sys
import tempfile
from pathlib import Path

from setuptools import Distribution, find_packages, setup
from setuptools.command.build_py import build_py


class PerhapsBinary(Distribution):
    """A wheel with compiled operations is one for this platform."""

    def has_ext_modules(self) -> bool:
        return importlib.util.find_spec("torch") is not None


class BuildWithOperations(build_py):
    """Also compiles the CPU operations where torch can be imported; elsewhere they are built at their first call."""

    def run(self) -> None:
        super().run()
        if getattr(self, "editable_mode", False):
            return
        sys.path.insert(0, str(Path(__file__).parent))
        try:
            from cuda_ops import build, toolchain
        except ImportError:
            print("torch is not here, so the operations are left to their first call (--no-build-isolation shows it).")
            return
        target = Path(self.build_lib) / "cuda_ops" / "csrc"
        # One for every x86-64 processor and one for those with AVX2; elsewhere there is one kind.
        for capability, march in (("DEFAULT", "x86-64"), ("AVX2", "x86-64-v3")):
            with tempfile.TemporaryDirectory() as folder:
                flags, log = toolchain.compile_flags("cpu", march), Path(folder) / "log"
                try:
                    sources, compiler = build.CSRC / "cpu", toolchain.find_compiler()
                    made = toolchain.build(sources, "cpu", Path(folder), log, compiler, None, flags)
                except toolchain.BuildError as error:
                    print(f"The operations are left to their first call, because {error}")
                    return
                self.copy_file(str(made), str(target / build.installed_name(capability)))


setup(
    # On the package index `pulse` is another project; the import names stay pulse, stylegan and cuda_ops.
    name="pulse-latent",
    version="0.2.0.dev0",
    description="Walk a generator's latent space until what it draws fits what you have.",
    long_description=(Path(__file__).parent / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.10,<3.14",
    packages=find_packages(include=["cuda_ops*", "stylegan*", "pulse*"]),
    cmdclass={"build_py": BuildWithOperations},
    distclass=PerhapsBinary,
    package_data={
        "stylegan": ["py.typed", "weights/*.safetensors"],
        "cuda_ops": ["py.typed", "csrc/*/*", "csrc/*/*/*"],
        "pulse": ["py.typed", "emoji/names.tsv", "emoji/names.LICENSE", "atlas/page/*", "app/web/page/*"],
    },
    install_requires=[
        "torch>=2.6,<3",
        "numpy>=1.26",
        "pillow>=10.3",
        "scipy>=1.11",
        # The index has no 1.11.0.
        "ninja>=1.11.1",
        "safetensors>=0.5",
    ],
    extras_require={
        # The commands `pulse` and `stylegan`, and progress bars.
        # Older Typers fail with the Click that pip installs beside them.
        "cli": ["typer>=0.16", "rich>=13"],
        # Finding faces: `pulse align`, and the measurements in benchmarks/.
        "faces": ["dlib-bin>=19.24"],
        # Films as MP4; GIF, WebP and animated PNG need nothing more.
        "film": ["av>=14"],
        # The page of `pulse app`.
        "app": ["gradio>=6.5,<7"],
        # Searches on many machines.
        "ray": ["ray>=2.40"],
        # Curves of `stylegan train` in TensorBoard.
        "train": ["tensorboard>=2.16"],
        # DeepInverse's physics as operators of a search. It brings torchvision, which has to fit the installed torch.
        "interop": ["deepinv>=0.5"],
        # Plots of the benchmarks, pictures that are no pixel art, and how alike two pictures are.
        "benchmarks": ["matplotlib>=3.8", "scikit-image>=0.22", "pytorch-msssim>=1.0"],
        # What `make docs` runs.
        "docs": ["sphinx>=8", "furo>=2024.8", "myst-nb>=1.1", "sphinx-copybutton>=0.5", "matplotlib>=3.8"],
        # What `make test` runs.
        "test": [
            "pytest>=8",
            # Several processes: most tests use one core.
            "pytest-xdist>=3.6",
            "hypothesis>=6.100",
            "playwright>=1.50",
            "scikit-image>=0.22",
            "matplotlib>=3.8",
            "pytorch-msssim>=1.0",
            "ruff==0.17.5",
            "mypy==2.4.1",
        ],
    },
    entry_points={"console_scripts": ["pulse = pulse.app.cli:main", "stylegan = stylegan.cli:main"]},
)
