"""Builds the optional compiled path of the runtime; without a C compiler the package installs and runs on numpy."""

from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

RUNTIME = "src/parrotlet/runtime"


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


setup(
    ext_modules=[
        Extension(
            "parrotlet.runtime._kernel",
            [f"{RUNTIME}/kernel.c"],
            depends=[str(path.as_posix()) for path in sorted(Path(RUNTIME).glob("*.h"))],
            py_limited_api=True,
            optional=True,
        )
    ],
    cmdclass={"build_ext": BuildKernel},
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
