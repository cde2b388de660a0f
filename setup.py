"""Builds the optional compiled paths; without a C compiler the package writes with numpy and trains with torch."""

from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext


class BuildKernel(build_ext):
    """Gives each compiler its own flags; sums must not be contracted or reordered behind the source's back."""

    def build_extension(self, ext: Extension) -> None:
        if self.compiler.compiler_type == "msvc":
            ext.extra_compile_args = ["/O2", "/fp:precise"]
        else:
            flags = ["-O3", "-std=gnu99", "-g0", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"]
            ext.extra_compile_args = [*flags, "-fvisibility=hidden"]
            ext.libraries = ["m"]
        super().build_extension(ext)


def kernel(module: str, folder: str) -> Extension:
    """A library opened by ctypes; where it can not be built, Python does its work."""
    return Extension(
        module,
        [f"{folder}/kernel.c"],
        depends=[str(path.as_posix()) for path in sorted(Path(folder).glob("*.h"))],
        py_limited_api=True,
        optional=True,
    )


setup(
    ext_modules=[
        kernel("parrotlet.runtime._kernel", "src/parrotlet/runtime"),
        kernel("parrotlet.networks._kernel", "src/parrotlet/networks/kernel"),
    ],
    cmdclass={"build_ext": BuildKernel},
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
