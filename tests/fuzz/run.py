"""Coverage-guided fuzzing of one target: `python tests/fuzz/run.py yaml -max_total_time=600`.

Further arguments are libFuzzer's. What a run finds worth keeping goes into `.cache/fuzz/TARGET`; an
input that fails is written to the working folder as `crash-...`, `timeout-...` or `oom-...` and is
tried again with `python tests/fuzz/run.py TARGET FILE`. FUZZ_FOLDER names another folder.
"""

from __future__ import annotations

import os
import sys
from hashlib import sha256
from pathlib import Path

import atheris

_ROOT = Path(__file__).parents[2]
_BOUNDS = ("-timeout=10", "-rss_limit_mb=2048", "-max_len=8192")


def main(arguments: list[str]) -> None:
    """Fuzz the target that is named first."""
    if str(_ROOT) not in sys.path:
        sys.path.insert(0, str(_ROOT))
    with atheris.instrument_imports(include=["domain", "yaml"]):
        from tests.fuzz import targets
    name, *more = arguments
    target = targets.TARGETS[name]
    if not any(Path(one).is_file() for one in more):
        folder = Path(os.environ.get("FUZZ_FOLDER", _ROOT / ".cache" / "fuzz")) / name
        folder.mkdir(parents=True, exist_ok=True)
        for seed in targets.seeds(name):
            (folder / sha256(seed).hexdigest()[:24]).write_bytes(seed)
        words = folder.with_suffix(".words")
        words.write_text("".join(f"{_quoted(word)}\n" for word in targets.words(name)))
        more += [f"-dict={words}", str(folder)]
    atheris.Setup([sys.argv[0], *_BOUNDS, *more], target)
    atheris.Fuzz()


def _quoted(word: str) -> str:
    """Return a word as libFuzzer's dictionaries have it."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in word.encode()) + '"'


if __name__ == "__main__":
    main(sys.argv[1:])
