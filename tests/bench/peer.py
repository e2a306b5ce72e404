"""What peers of run.py do alike: serve(name, step) makes a first step, then as many as each line "run N" asks for."""
import json
import resource
import sys
import time


def serve(name, step):
    start = time.monotonic(), time.process_time()
    first = step()
    print(json.dumps({"name": name, "compile_wall": time.monotonic() - start[0],
                      "compile_cpu": time.process_time() - start[1], "losses": [first]}), flush=True)
    for line in sys.stdin:
        if not line.startswith("run "):
            break
        walls, losses, cpu = [], [], time.process_time()
        for _ in range(int(line[4:])):
            begin = time.monotonic()
            losses.append(step())
            walls.append(time.monotonic() - begin)
        print(json.dumps({"cpu": time.process_time() - cpu, "walls": walls, "losses": losses,
                          "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024e-6}), flush=True)
