#!/usr/bin/env python3
"""Measures what plugins do on the quickstart and writes it into their READMEs and docs/effects.md.

The section "## Effect measured" of a README holds two commands: a run without the technique (or with what takes its
place), then one with it. This runs both and writes bits per byte and bytes of the artifact below each. Finished stages
are reused, so that a second call takes seconds. From a built tree:

    scripts/effects.py                                     every plugin and example, then the table of docs/effects.md
    scripts/effects.py plugins/blocks/xsa sdk/examples/nf4
    scripts/effects.py --threads 1                         the same figures: results do not depend on threads
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SECTION = re.compile(r"^## Effect measured.*?\n```\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
SEEDS = "caddie run manifests/quickstart.json --set train.steps=120"


def run(command: str, folder: pathlib.Path, program: str, extra: str) -> tuple[float, int]:
    """Bits per byte of the last evaluator and bytes of the artifact."""
    line = command.replace("caddie run", f"{program} --json -q run", 1) + extra
    done = subprocess.run(line, shell=True, cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{folder}: {command}\n{done.stdout}{done.stderr}")
    result = json.loads(done.stdout)
    return result["bits_per_byte"], result["artifact"]["bytes"]


def commands_of(readme: str) -> list[str]:
    section = SECTION.search(readme)
    lines = section.group("code").splitlines() if section else []
    return [line for line in lines if line.startswith("caddie run")]


def with_figures(readme: str, commands: list[str], figures: list[tuple[float, int]]) -> str:
    lines = []
    for command, (bpb, size) in zip(commands, figures):
        change = "" if not lines else f" ({bpb - figures[0][0]:+.4f})"
        lines += [command, f"# {bpb:.4f} bits per byte{change}, {size:,} B"]
    section = SECTION.search(readme)
    return readme[: section.start("code")] + "\n".join(lines) + "\n" + readme[section.end("code"):]


def table(rows: list[tuple[str, list[tuple[float, int]]]]) -> str:
    lines = ["| plugin | without | with | change | artifact |", "|---|---|---|---|---|"]
    for link, ((before, size_before), (after, size)) in rows:
        lines.append(f"| {link} | {before:.4f} | {after:.4f} | {after - before:+.4f} | {size:,} B ({size - size_before:+,}) |")
    return "\n".join(lines)


def write_table(rows, seeds) -> None:
    page = ROOT / "docs/effects.md"
    text = page.read_text()
    body = f"{table(rows)}\n\nSeeds 0 to {len(seeds) - 1} of the quickstart itself: " + ", ".join(f"{s:.4f}" for s in seeds) + ".\n"
    head, rest = text.split("<!-- figures -->\n")
    tail = rest.split("<!-- end of figures -->\n")[1]
    page.write_text(f"{head}<!-- figures -->\n{body}<!-- end of figures -->\n{tail}")


def folders_with_commands(wanted: list[pathlib.Path]) -> list[pathlib.Path]:
    everything = sorted(ROOT.glob("plugins/*/*")) + sorted(ROOT.glob("sdk/examples/*"))
    folders = [folder.resolve() for folder in wanted] or everything
    return [f for f in folders if (f / "README.md").exists() and len(commands_of((f / "README.md").read_text())) == 2]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folders", nargs="*", type=pathlib.Path)
    options.add_argument("--threads", type=int, help="as compute.threads of every run")
    options.add_argument("--runs", type=pathlib.Path, default=ROOT / "runs/effects")
    options.add_argument("--caddie", default=str(ROOT / "build/release/bin/caddie"), help="the program")
    arguments = options.parse_args()
    extra = f" --runs {arguments.runs.resolve()}"
    extra += f" --set compute.threads={arguments.threads}" if arguments.threads else ""
    os.environ["CADDIE_PLUGIN_PATH"] = str(pathlib.Path(arguments.caddie).parent.parent / "lib/caddie/examples")

    rows, failed = [], []
    for folder in folders_with_commands(arguments.folders):
        path = folder / "README.md"
        commands = commands_of(path.read_text())
        where = ROOT if folder.is_relative_to(ROOT / "plugins") else folder
        try:
            figures = [run(command, where, arguments.caddie, extra) for command in commands]
        except RuntimeError as error:
            failed.append(error)
            continue
        path.write_text(with_figures(path.read_text(), commands, figures))
        rows.append((f"[{folder.name}](../{folder.relative_to(ROOT)})", figures))
        print(f"{folder.name:24}" + "".join(f"  {bpb:.4f} {size:>11,} B" for bpb, size in figures), flush=True)
    if failed:
        sys.exit("\n".join(str(error) for error in failed))
    if not arguments.folders:
        write_table(rows, [run(f"{SEEDS} --seed {seed}", ROOT, arguments.caddie, extra)[0] for seed in range(4)])


if __name__ == "__main__":
    main()
