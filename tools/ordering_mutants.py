"""Check the core's models, then that they notice each ordering that is weakened and each step that is done wrong.

Builds the models (``--cfg loom``), runs each as the sources stand, and then weakens one ``order!(..., "name")`` after
the other to relaxed, and takes the slip of one ``step!("name", ...)`` after the other, until a model fails. Prints two
tables in Markdown; exits with 1 if a model fails or a weakening survives.
Plain standard library: ``python tools/ordering_mutants.py``.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "rust" / "core" / "src"
SITE = re.compile(r'\border!\(\s*(\w+),\s*"([^"]+)"\s*\)')
STEP = re.compile(r'\bstep!\(\s*"([^"]+)"')
PERMUTATIONS = re.compile(r"(\d+) permutations$", re.MULTILINE)
FAULT = re.compile(r"panicked at .*\n(.*)")


@dataclass(frozen=True)
class Run:
    """One run of one model."""

    model: str
    passed: bool
    seconds: float
    permutations: int
    fault: str


def sites() -> dict[str, str]:
    """Find the kind of each named site: its ordering, or a step."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(SOURCES.rglob("*.rs"))]
    found = [(name, kind) for text in texts for kind, name in SITE.findall(text)]
    found += [(name, "step") for text in texts for name in STEP.findall(text)]
    twice = [
        name for name, count in Counter(name for name, _ in found).items() if count > 1
    ]
    if twice or not found:
        sys.exit(
            f"each ordering and step needs a name of its own: {twice or 'none found'}"
        )
    return dict(found)


def build() -> Path:
    """Build the models and return their binary."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "loom"
    command = ["cargo", "test", "-p", "tapeloom-core", "--lib", "--no-run"]
    command += [
        "--message-format",
        "json-render-diagnostics",
        "--target-dir",
        str(target),
    ]
    environment = os.environ | {"RUSTFLAGS": "--cfg loom"}
    built = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if built.returncode:
        sys.exit("the models do not build")
    artefacts = [json.loads(line) for line in built.stdout.splitlines()]
    return next(
        Path(artefact["executable"])
        for artefact in artefacts
        if artefact.get("executable") and artefact["target"]["name"] == "tapeloom_core"
    )


def run(binary: Path, model: str, weakened: str = "") -> Run:
    """Run one model, with one ordering or step weakened or none."""
    environment = os.environ | {"TAPELOOM_WEAKEN": weakened, "RUST_BACKTRACE": "0"}
    began = time.perf_counter()
    ended = subprocess.run(
        [binary, "--exact", f"models::{model}", "--nocapture"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - began
    permutations = PERMUTATIONS.search(ended.stdout)
    fault = FAULT.search(ended.stdout)
    if ended.returncode and not fault:
        sys.exit(f"{model} ended without saying why:\n{ended.stdout}")
    return Run(
        model,
        passed=ended.returncode == 0 and permutations is not None,
        seconds=seconds,
        permutations=int(permutations[1]) if permutations else 0,
        fault=fault[1].strip() if fault else "",
    )


def models(binary: Path) -> list[str]:
    """List the models."""
    listed = subprocess.run(
        [binary, "--list"], stdout=subprocess.PIPE, text=True, check=True
    )
    return re.findall(r"^models::(\S+): test$", listed.stdout, re.MULTILINE)


def main() -> int:
    """Run all and print what came of it."""
    binary = build()
    print("| model | permutations | seconds | |\n| --- | ---: | ---: | --- |")
    clean = []
    for model in models(binary):
        ran = run(binary, model)
        clean.append(ran)
        verdict = "holds" if ran.passed else f"**FAILS**: {ran.fault}"
        print(
            f"| {model} | {ran.permutations:,} | {ran.seconds:.2f} | {verdict} |",
            flush=True,
        )
    total = sum(ran.permutations for ran in clean), sum(ran.seconds for ran in clean)
    print(f"| {len(clean)} models | {total[0]:,} | {total[1]:.2f} | |")
    if not clean or not all(ran.passed for ran in clean):
        return 1

    print(
        "\n| ordering or step | weakened from | killed by | with |\n| --- | --- | --- | --- |"
    )
    survivors = 0
    # The quickest first: any will do that notices.
    quickest = sorted(clean, key=lambda ran: ran.seconds)
    for name, kind in sites().items():
        mutants = (run(binary, ran.model, name) for ran in quickest)
        killer = next((ran for ran in mutants if not ran.passed), None)
        survivors += killer is None
        verdict = f"{killer.model} | {killer.fault}" if killer else "**SURVIVED** | "
        print(f"| {name} | {kind} | {verdict} |", flush=True)
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
