"""Interleaved comparison of training steps; tests/bench/run.sh is the command.

Every program is a child process that stays alive and speaks lines: it prints one line of JSON when it is ready; for
"run N" it makes N training steps and prints {"cpu": s, "walls": [s, ...], "losses": [...], "peak_mb": MB}. A round runs
the ceiling probe, then one program, then the probe again, for every program in random order. Programs are compared by
processor time on one thread (neighbours then disturb only caches and clocks) and by wall time on several.
"""
import argparse
import datetime
import json
import os
import platform
import random
import statistics
import subprocess
import sys

parser = argparse.ArgumentParser()
parser.add_argument("--build", default="build/release")
parser.add_argument("--folder", default="build/bench")
parser.add_argument("--sizes", default="4 256 4 512 1024 8", help="layers dim heads context vocab batch")
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--steps", type=int, default=2, help="steps of a program in a round")
parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
parser.add_argument("--caddie", nargs="+", default=["f32", "bf16"], help="precisions of Caddie")
parser.add_argument("--torch", nargs="*", default=["eager f32", "compile f32", "eager bf16", "compile bf16"])
parser.add_argument("--loss-steps", type=int, default=50, help="steps over which losses are compared; they are made first")
parser.add_argument("--twin", action="store_true", help="the small twin of PR #2163 instead of the GPT")
parser.add_argument("--llmc", help="a program DIR THREADS that speaks the protocol with train_gpt2.c inside")
parser.add_argument("--python", default=sys.executable)
parser.add_argument("--json", help="where the figures go; default: FOLDER/result.json")
options = parser.parse_args()

here = os.path.dirname(os.path.abspath(__file__))
bench_probe = f"{options.build}/tests/bench/bench_step"
os.makedirs(options.folder, exist_ok=True)
if options.twin:
    bench, peer = f"{options.build}/tests/bench/bench_twin", "twin_peer.py"
    options.folder += "/twin"
    os.makedirs(options.folder, exist_ok=True)
    subprocess.run([bench, "export", options.folder], check=True)
    with open(f"{options.folder}/sizes.txt") as sizes:
        batch, context = map(int, sizes.read().split()[:2])
    options.sizes = f"small twin of PR #2163, {batch} rows of {context} tokens, forward, backward and SGD"
    flops = 0  # of a token; not counted for the twin
    if options.torch == parser.get_default("torch"):
        options.torch = ["eager f32", "compile f32", "compile bf16"]
else:
    bench, peer = bench_probe, "torch_peer.py"
    with open(f"{options.folder}/sizes.txt", "w") as out:
        out.write(options.sizes)
    subprocess.run([bench, "export", options.folder], check=True)
    layers, dim, heads, context, vocab, batch = map(int, options.sizes.split())
    flops = 6 * (layers * 12 * dim * dim + dim * vocab) + layers * 6 * (context + 1) * dim
tokens = batch * context


class Program:
    """A child process, pinned to as many processors as it has threads."""

    def __init__(self, label, command, threads):
        environment = dict(os.environ, OPENBLAS_CORETYPE="SkylakeX", OMP_PROC_BIND="close")
        for runtime in ("OMP", "OPENBLAS", "MKL"):
            environment[f"{runtime}_NUM_THREADS"] = str(threads)
        processors = sorted(os.sched_getaffinity(0))[-threads:]
        self.label, self.threads, self.rounds, self.losses = label, threads, [], []
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
                                      preexec_fn=lambda: os.sched_setaffinity(0, processors))
        self.about = self.answer()
        self.losses += self.about.get("losses", [])

    def answer(self):
        for line in self.child.stdout:
            if line.startswith("{"):
                return json.loads(line)
        raise SystemExit(f"{self.label}: ended without an answer")

    def run(self, count):
        self.child.stdin.write(f"run {count}\n")
        self.child.stdin.flush()
        answer = self.answer()
        self.losses += answer.get("losses", [])
        return answer


probes = {threads: Program("probe", [bench_probe, "probe", str(threads)], threads) for threads in options.threads}
programs = []
for threads in options.threads:
    for precision in options.caddie:
        command = [bench, "serve", options.folder, str(threads)] + (["bf16"] if precision == "bf16" else [])
        programs.append(Program(f"caddie {precision}, {threads}", command, threads))
    for variant in options.torch:
        command = [options.python, f"{here}/{peer}", options.folder, str(threads), *variant.split()]
        programs.append(Program(f"torch {variant}, {threads}", command, threads))
    if options.llmc:
        programs.append(Program(f"llm.c, {threads}", [options.llmc, options.folder, str(threads)], threads))

for program in programs:
    while len(program.losses) < max(options.loss_steps, 2):
        program.run(min(10, max(options.loss_steps - len(program.losses), 1)))
    print(f"{program.label}: {len(program.losses)} losses", file=sys.stderr, flush=True)
for number in range(options.rounds):
    for program in random.sample(programs, len(programs)):
        probe = probes[program.threads]
        before = probe.run(3)
        answer = program.run(options.steps)
        after = probe.run(3)
        clock = "gflops_cpu" if program.threads == 1 else "gflops_wall"
        ceiling = max(before[clock], after[clock])
        seconds = answer["cpu"] / options.steps if program.threads == 1 else min(answer["walls"])
        program.rounds.append({"seconds": seconds, "ceiling": ceiling, "share": flops * tokens / seconds * 1e-9 / ceiling,
                               "peak_mb": answer.get("peak_mb", 0)})
    print(f"round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)

def precision_of(program):
    return "bf16" if "bf16" in program.label else "f32"


# A program is compared with Caddie at its own precision, and Caddie's losses with those of its first.
own_of = {(program.threads, precision_of(program)): program for program in programs if program.label.startswith("caddie")}
first_of = {}
for program in programs:
    if program.label.startswith("caddie"):
        first_of.setdefault(program.threads, program)
        own_of.setdefault((program.threads, "f32"), program)
        own_of.setdefault((program.threads, "bf16"), program)
loss_steps = min([options.loss_steps] + [len(program.losses) for program in programs])
rows = []
for program in programs:
    own = own_of[program.threads, precision_of(program)]
    ratios = [a["seconds"] / b["seconds"] for a, b in zip(program.rounds, own.rounds)]
    best = min(r["seconds"] for r in program.rounds)
    row = {"program": program.label, "threads": program.threads, "version": program.about["name"],
           "tokens_per_second_best": tokens / best,
           "tokens_per_second_median": tokens / statistics.median(r["seconds"] for r in program.rounds),
           "ceiling_gflops": max(r["ceiling"] for r in program.rounds),
           "share_of_ceiling_median": statistics.median(r["share"] for r in program.rounds),
           "share_of_ceiling_best": max(r["share"] for r in program.rounds),
           "caddie_is_faster_by_best": best / min(r["seconds"] for r in own.rounds),
           "caddie_is_faster_by_median": statistics.median(ratios),
           "peak_mb": max(r["peak_mb"] for r in program.rounds),
           "loss_difference": max(abs(a - b) for a, b in zip(program.losses[:loss_steps],
                                                                 first_of[program.threads].losses)),
           "about": program.about, "rounds": program.rounds, "losses": program.losses}
    rows.append(row)

what = options.sizes if options.twin else f"{options.sizes} (layers dim heads context vocab batch), {flops * 1e-6:.2f} MFLOP a token"
print(f"\n{what}; losses over {loss_steps} steps; "
      f"{options.rounds} rounds of {options.steps} steps; 1 thread: processor time, more: wall time")
print(f"{'program, threads':26} {'tok/s best':>10} {'median':>8} {'% of probe':>10} {'median':>7} {'Caddie is':>10} "
      f"{'median':>7} {'peak MB':>8} {'loss diff':>10}")
for row in rows:
    print(f"{row['program']:26} {row['tokens_per_second_best']:10.0f} {row['tokens_per_second_median']:8.0f} "
          + (f"{100 * row['share_of_ceiling_best']:9.1f}% {100 * row['share_of_ceiling_median']:6.1f}% " if flops else f"{'-':>10} {'-':>7} ") +
          f"{row['caddie_is_faster_by_best']:9.2f}x {row['caddie_is_faster_by_median']:6.2f}x {row['peak_mb']:8.0f} "
          f"{row['loss_difference']:10.1e}")
for precision in options.caddie:
    ordered = sorted(options.threads)
    first, last = (tokens / min(r["seconds"] for r in own_of[t, precision].rounds) for t in (ordered[0], ordered[-1]))
    if len(ordered) > 1:
        print(f"Caddie {precision}, {ordered[-1]} threads over {ordered[0]}: {last / first:.2f}x")
result = {"date": datetime.datetime.now().isoformat(timespec="minutes"), "machine": platform.processor() or platform.machine(),
          "sizes": options.sizes, "rounds": options.rounds, "steps": options.steps, "rows": rows,
          "load": os.getloadavg(), "command": " ".join(sys.argv)}
with open("/proc/cpuinfo") as cpuinfo:
    result["machine"] = next((line.split(":")[1].strip() for line in cpuinfo if line.startswith("model name")), "")
with open(options.json or f"{options.folder}/result.json", "w") as out:
    json.dump(result, out, indent=1)
