"""The gate: what it finds, how often it cries wolf, when it may stop early, what it costs.

    python benchmarks/gate.py repeats ../shared/data/repeats.csv [--draws 30]
    python benchmarks/gate.py live distilbert [--sessions 30] [--busy]
    python benchmarks/gate.py show
    python benchmarks/gate.py stop minilm [--sessions 4] [--reports .cache/gate/gpt2/quiet-same-*]
    python benchmarks/gate.py cost

`repeats` takes the repeats behind Luccioni et al. (2024) as a file (workload, model, total_kwh,
gpu8_kwh; one row a run) and sets the plugin's rule beside those of other tools. `live` meters
models of `gate_models.py` on this machine, a process a session, and keeps every session's report
under `.cache/gate/`; `show` prints what was said of them. `stop` replays whole loops and says how
much of them was needed. `cost` sets a metered test beside the same one under pytest-benchmark.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import gate_live
import gate_repeats
import gate_stop

CACHE = Path(__file__).parents[1] / ".cache" / "gate"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    repeats = commands.add_parser("repeats", help="rules on the paper's repeats")
    repeats.add_argument("file", type=Path)
    repeats.add_argument("--draws", type=int, default=30, help="random orders of each group")
    live = commands.add_parser("live", help="collect sessions on this machine")
    live.add_argument("model", choices=["distilbert", "gpt2", "resnet50"])
    live.add_argument("--sessions", type=int, default=30, help="of each kind")
    live.add_argument("--busy", action="store_true", help="with a second process on one core")
    live.add_argument("--folder", type=Path, default=CACHE)
    show = commands.add_parser("show", help="what was said of the collected sessions")
    show.add_argument("--folder", type=Path, default=CACHE)
    stop = commands.add_parser("stop", help="how much of a loop is needed")
    stop.add_argument("models", nargs="*", metavar="MODEL", help=", ".join(gate_stop.TESTS))
    stop.add_argument("--reports", type=Path, nargs="+", default=[], help="kept by live, instead")
    stop.add_argument("--sessions", type=int, default=4, help="whole loops to replay")
    stop.add_argument("--folder", type=Path, default=CACHE)
    commands.add_parser("cost", help="beside pytest-benchmark")
    given = parser.parse_args()
    if given.command == "repeats":
        gate_repeats.table(given.file, given.draws)
    elif given.command == "live":
        gate_live.collect(given.model, given.folder / given.model, given.sessions, given.busy)
        gate_live.show(given.model, given.folder / given.model)
    elif given.command == "show":
        for folder in sorted(given.folder.glob("*/")):
            gate_live.show(folder.name, folder)
    elif given.command == "stop":
        for model in given.models:
            if model not in gate_stop.TESTS:
                parser.error(f"no model named {model!r}; there are: {', '.join(gate_stop.TESTS)}")
            folder = given.folder / f"stop-{model}"
            gate_stop.show(model, gate_stop.whole_loops(model, folder, given.sessions))
        if given.reports:
            gate_stop.show("kept reports", gate_stop.read_loops(given.reports))
    else:
        gate_stop.cost()


if __name__ == "__main__":
    main()
