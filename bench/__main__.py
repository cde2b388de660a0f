"""The name of a row comes in; its table goes out. Without a name, the list of rows."""

import importlib
import sys

ROWS = {
    "quality": "bits per character after 1-3 minutes beside the plain prototype, on four long texts",
    "corpora": "held-out bits per token on the ten corpora, beside an interpolated n-gram model over the same tokens",
    "writing": "characters per second of the public generate, beside a plain torch loop; --network textgenrnn",
    "startup": "time of --help, of the import and to the first character of generate",
    "kill": "kill -9 at random moments and --resume, compared bit for bit with a run that was never stopped",
    "large": "peak memory of training on a text of 1 GB",
    "hostile": "thousands of damaged and hostile files of textgenrnn and Keras, imported",
    "prototype": "the plain prototype alone, on one file",
}


def main(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print("python -m bench ROW [--help] [--quick]\n")
        print("\n".join(f"  {name:<10} {about}" for name, about in ROWS.items()))
        return 0
    name = arguments[0]
    if name not in ROWS:
        print(f"unknown row {name!r}: choose from {', '.join(ROWS)}", file=sys.stderr)
        return 2
    return int(importlib.import_module(f"bench.{name}").main(arguments[1:]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
