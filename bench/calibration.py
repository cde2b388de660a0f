"""The machine comes in; what it is, how fast it multiplies matrices now, and whether it is quiet, go out."""

import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# Of two cores with 512-bit vectors, in GFLOP/s. In float32 the generations of processors are alike (Zen 4: 195-206,
# Zen 5: 200-210), so that it tells a busy machine from a quiet one; in bfloat16 they are not (Zen 4: 420-445, Zen 5:
# 850-900), so figures that count its speed are given as a share of what the machine reaches itself.
REFERENCE = {"float32": 200.0, "bfloat16": 850.0}
LEAST_SHARE = 0.9  # of the reference; below it the machine was busy
MOST_SCATTER = 0.2  # of the fastest product, between it and the median; above it the machine was busy, whatever it is

PRODUCTS = """
import json, time, torch
found = {"vectors": torch.backends.cpu.get_cpu_capability()}
for kind in ("float32", "bfloat16"):
    left = torch.ones(2048, 2048, dtype=getattr(torch, kind))
    times = []
    for _ in range(12):
        start = time.perf_counter()
        left @ left
        times.append(time.perf_counter() - start)
    found[kind] = [2 * 2048**3 / seconds / 1e9 for seconds in times[2:]]
print(json.dumps(found))
"""


def calibration() -> dict[str, Any]:
    """Products of two 2048 × 2048 matrices, in a process of its own: the fastest in GFLOP/s, and their scatter."""
    done = subprocess.run([sys.executable, "-c", PRODUCTS], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    speeds = {kind: found[kind] for kind in REFERENCE}
    scatter = max(1 - statistics.median(each) / max(each) for each in speeds.values())
    best = {kind: round(max(each), 1) for kind, each in speeds.items()}
    return best | {"scatter": round(scatter, 3), "vectors": found["vectors"], "cores": os.cpu_count()}


def verdict(calibrations: Sequence[dict[str, Any]]) -> str:
    """``quiet``, or in a few words why the figures measured between these calibrations are not to be trusted."""
    worst = min(each["float32"] for each in calibrations)
    scatter = max(each["scatter"] for each in calibrations)
    if scatter > MOST_SCATTER:
        return f"noisy: products differ by {scatter:.0%}"
    if any(each["vectors"] != "AVX512" or each["cores"] != 2 for each in calibrations):
        return "quiet (another kind of machine: only the scatter tells)"
    if worst < LEAST_SHARE * REFERENCE["float32"]:
        return f"noisy: {worst:.0f} of {REFERENCE['float32']:.0f} GFLOP/s in float32"
    return "quiet"


def machine() -> dict[str, Any]:
    """Where figures are measured: processor, cores, system, and the versions that decide the speed."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": importlib.metadata.version("torch"),
    }


def processor() -> str:
    """The name that the processor gives itself, with family and model where they are known: one name may be several."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0].splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    facts = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if "model name" not in facts:
        return platform.machine()
    return f"{facts['model name']} (family {facts.get('cpu family', '?')}, model {facts.get('model', '?')})"
