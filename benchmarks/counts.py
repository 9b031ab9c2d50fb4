"""Whether counts are exact: the same in every process, at every load; and what counting costs.

    python benchmarks/counts.py repeat [--processes 10] [--rounds 7] [--only MODEL…]
    python benchmarks/counts.py cost [--pairs 15] [--only MODEL…]
    python benchmarks/counts.py same [--only MODEL…]

`repeat`: each process is a fresh one, with another hash seed and order of its warm-up, with one or
two threads, with and without a neighbour on each CPU, and with other libraries imported or another
model run before. A round counts each of a model's samples once, in random order. Printed are the
repetitions, and by sample how many different counts there were; where there was more than one, the
rows that differ. `cost`: CPU time of an inference that is counted, over that of one that is not, in
turns. `same`: whether each output is the same to the last bit.

Real weights and real samples where packages ship them; the two last models' weights are random.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter as Multiset
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]


class Workload(NamedTuple):
    """Samples, and an inference with one of them."""

    samples: Sequence[Any]
    infer: Callable[[Any], Any]


def minilm() -> Workload:
    """Embeddings of reviews, their tokens included."""
    import models
    import sentiment

    encoder, _ = models.load_minilm()
    return Workload(sentiment.reviews()[:3]["text"], lambda text: sentiment.embed(encoder, [text]))


def smollm2() -> Workload:
    """Four tokens that follow the beginning of a review, drawn at random."""
    import models
    import sentiment

    (model, tokenizer), _ = models.load_smollm2()

    def infer(text: str) -> Any:
        inputs = tokenizer(text, return_tensors="pt")
        written = model.generate(
            **inputs,
            max_new_tokens=4,
            min_new_tokens=4,
            do_sample=True,
            pad_token_id=tokenizer.eos_token_id,
        )
        return written, tokenizer.decode(written[0])

    return Workload([text[:60] for text in sentiment.reviews()[:3]["text"]], infer)


def efficientnet() -> Workload:
    """Classes of photographs, their scaling included."""
    import families

    classifier, _ = families._efficientnet("efficientnet-lite0")
    return Workload(
        families.photographs()[:3], lambda photograph: classifier(classifier.prepare(photograph))
    )


def detr() -> Workload:
    """Objects in photographs of three sizes; random weights."""
    import shapes
    import texts
    import transformers as t

    model = shapes._detr()
    processor = t.DetrImageProcessorPil(size={"shortest_edge": 160, "longest_edge": 240})
    sizes = ((240, 160), (160, 160), (160, 240))
    samples = [
        photograph.resize(size)
        for photograph, size in zip(texts.photographs(), sizes, strict=False)
    ]

    def infer(photograph: Any) -> Any:
        found = model(**processor(images=photograph, return_tensors="pt"))
        return [found.logits, *processor.post_process_object_detection(found, threshold=0.01)]

    return Workload(samples, infer)


def diffusion() -> Workload:
    """Images of two steps, with its progress bar as it comes; random weights."""
    import diffusion as pipelines
    import texts

    pipeline, _ = pipelines.small_latent_diffusion()
    pipeline.set_progress_bar_config(disable=False)

    def infer(prompt: str) -> Any:
        return pipeline(
            prompt,
            num_inference_steps=2,
            guidance_scale=1,
            height=64,
            width=64,
            output_type="np",
        ).images

    return Workload(texts.PROMPTS[:3], infer)


def bart() -> Workload:
    """Eight tokens of a summary, in four beams; random weights."""
    import paper_models
    import shapes
    import texts

    model = shapes._bart(256, 2, 4)
    tokenizer = paper_models.Borrowed(paper_models.smollm2_tokenizer(), model.config.vocab_size)

    def infer(text: str) -> Any:
        written = model.generate(
            **tokenizer(text, return_tensors="pt"), max_new_tokens=8, min_new_tokens=8
        )
        return written, tokenizer.decode(written[0])

    return Workload(texts.editorials()[:3], infer)


WORKLOADS: dict[str, Callable[[], Workload]] = {
    "minilm": minilm,
    "smollm2": smollm2,
    "efficientnet": efficientnet,
    "detr": detr,
    "diffusion": diffusion,
    "bart": bart,
}

BEFORE = (
    (),
    ("pandas", "PIL.Image"),
    ("torch", "model"),
    ("datasets",),
    ("model", "concurrent.futures", "asyncio"),
)
"""What a process imports before, in this order, `model` for the inferences of another one."""


# In the fresh process


def digest(output: Any) -> str:
    """Of all numbers and texts of an output, to the last bit."""
    sha = hashlib.sha256()
    for part in parts(output):
        sha.update(part)
    return sha.hexdigest()


def parts(output: Any) -> Iterator[bytes]:
    """The bytes of what an output consists of, in its order."""
    if hasattr(output, "detach"):
        output = output.detach().cpu().contiguous().numpy()
    if hasattr(output, "tobytes"):
        yield repr((output.shape, str(output.dtype))).encode()
        yield output.tobytes()
    elif isinstance(output, dict):
        yield from parts(list(output.items()))
    elif isinstance(output, list | tuple):
        for each in output:
            yield from parts(each)
    else:
        yield repr(output).encode()


def prepared(name: str, threads: int) -> Workload:
    """A workload, with the threads that it may use."""
    import torch

    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)
    return WORKLOADS[name]()


def count_once(given: argparse.Namespace) -> None:
    """Print what each repetition did: the sample, its work; and the rows of each round."""
    chance = random.Random(given.seed)
    for before in given.before:
        if before == "model":
            other = prepared("minilm" if given.name != "minilm" else "efficientnet", given.threads)
            other.infer(other.samples[0])
        else:
            __import__(before)
    workload = prepared(given.name, given.threads)
    from pytest_energy.counting.counter import Counter

    warm_up = list(range(len(workload.samples)))
    chance.shuffle(warm_up)
    for position in warm_up:
        workload.infer(workload.samples[position])
    samples: list[list[Any]] = []
    rounds: dict[str, Any] = {}
    for _ in range(given.rounds):
        order = list(range(len(workload.samples)))
        chance.shuffle(order)
        counter = Counter()
        for position in order:
            with counter.counting():
                workload.infer(workload.samples[position])
        counts = counter.counts([1] * len(order))
        assert counts is not None
        for position, work in zip(order, counts.samples, strict=True):
            samples.append([position, *astuple(work)])
        rows = [
            *(
                [f"{r.module} {r.operator} {r.dtype}", r.flops, r.bytes, r.calls]
                for r in counts.operators
            ),
            *([f"{r.caller} -> {r.callee}", r.calls, r.beneath] for r in counts.python),
            *([f"not counted: {each}"] for each in counts.without_formula),
            [f"problem: {counts.operators_unavailable} {counts.python_unavailable}"],
        ]
        rounds[hashlib.sha256(json.dumps(sorted(rows)).encode()).hexdigest()] = sorted(rows)
    print(json.dumps({"samples": samples, "rounds": rounds}), file=given.out)


def cost_once(given: argparse.Namespace) -> None:
    """Print the median CPU time of plain and of counted inferences, in turns."""
    from pytest_energy.counting.counter import Counter

    workload = prepared(given.name, given.threads)
    counter = Counter()
    for sample in workload.samples:
        workload.infer(sample)
    with counter.counting():
        workload.infer(workload.samples[0])
    plain, counted = [], []
    for i in range(given.rounds):
        sample = workload.samples[i % len(workload.samples)]
        began = time.process_time()
        workload.infer(sample)
        between = time.process_time()
        with counter.counting():
            workload.infer(sample)
        plain.append(between - began)
        counted.append(time.process_time() - between)
    ratios = [b / a for a, b in zip(plain, counted, strict=True)]
    print(json.dumps([median(plain), median(counted), median(ratios)]), file=given.out)


def same_once(given: argparse.Namespace) -> None:
    """Print whether outputs agree, with the model as it is and where it draws what it drops."""
    import numpy
    import torch

    from pytest_energy.counting.counter import Counter

    workload = prepared(given.name, given.threads)
    for sample in workload.samples:
        workload.infer(sample)
    seen = []
    for training in (False, True):
        for module in list(_modules()):
            module.train(training)
        for seed, sample in enumerate(workload.samples):
            outputs = []
            for counts in (False, True, False, True):
                torch.manual_seed(seed)
                random.seed(seed)
                numpy.random.seed(seed)
                if counts:
                    with Counter().counting():
                        output = workload.infer(sample)
                else:
                    output = workload.infer(sample)
                outputs.append(digest(output))
            seen.append(len(set(outputs)) == 1)
    print(json.dumps(seen), file=given.out)


def _modules() -> Iterator[Any]:
    """All of torch's modules in the process."""
    import gc

    import torch

    return (each for each in gc.get_objects() if isinstance(each, torch.nn.Dropout))


# Processes


@contextmanager
def neighbours(busy: bool) -> Iterator[None]:
    """A process on every CPU that this one may use, which computes all the time."""
    program = """if True:
        import os, sys
        os.sched_setaffinity(0, {int(sys.argv[1])})
        while os.getppid() == int(sys.argv[2]):
            sum(range(100_000))
    """
    cpus = sorted(os.sched_getaffinity(0)) if busy else []
    running = [
        subprocess.Popen([sys.executable, "-c", program, str(cpu), str(os.getpid())])
        for cpu in cpus
    ]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def fresh(what: str, name: str, hash_seed: int = 0, **others: Any) -> Any:
    """What a process of its own prints."""
    path = os.pathsep.join(map(str, (ROOT / "src", ROOT / "examples" / "tests_models")))
    command = [sys.executable, str(Path(__file__).resolve()), "once", what, name]
    for option, value in others.items():
        values = list(value) if isinstance(value, tuple) else [value]
        command += [f"--{option}", *map(str, values)]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            command,
            env=os.environ | {"PYTHONPATH": path, "PYTHONHASHSEED": str(hash_seed)},
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def repeat(given: argparse.Namespace) -> bool:
    """Count in many processes; whether all agreed."""
    agreed, total = True, 0
    for name in given.only:
        works: dict[int, Multiset[tuple[int, ...]]] = {}
        rounds: dict[str, Any] = {}
        where: dict[Any, list[str]] = {}
        for i in range(given.processes):
            threads, busy = 1 + i % 2, bool(i // 2 % 2)
            before = BEFORE[i % len(BEFORE)]
            with neighbours(busy):
                found = fresh(
                    "repeat",
                    name,
                    hash_seed=random.randrange(2**32),
                    rounds=given.rounds,
                    threads=threads,
                    seed=i,
                    before=before,
                )
            what = f"{threads} threads, {'busy' if busy else 'quiet'}, before: {before}"
            for position, *work in found["samples"]:
                works.setdefault(position, Multiset())[tuple(work)] += 1
                where.setdefault((position, *work), []).append(what)
            rounds |= found["rounds"]
        repetitions = sum(sum(each.values()) for each in works.values())
        total += repetitions
        different = [len(works[position]) for position in sorted(works)]
        alike = set(different) == {1} and len(rounds) == 1
        agreed = agreed and alike
        print(
            f"{name:14}{repetitions:>6} repetitions in {given.processes} processes; different"
            f" counts by sample: {different}; different tables of rows: {len(rounds)}",
            flush=True,
        )
        if not alike:
            _explain(works, where, list(rounds.values()))
    print(f"{total} repetitions on Python {sys.version.split()[0]}; all alike: {agreed}")
    return agreed


def _explain(works: dict[int, Any], where: dict[Any, list[str]], rounds: list[Any]) -> None:
    for position in sorted(works):
        if len(works[position]) > 1:
            for work, times in works[position].most_common(5):
                places = sorted(set(where[(position, *work)]))
                print(f"    sample {position}: {work} {times} times: {places[:3]}")
    tables = [{row[0]: tuple(row[1:]) for row in table} for table in rounds[:6]]
    for key in sorted(set().union(*tables)):
        figures = [table.get(key) for table in tables]
        if len(set(figures)) > 1:
            print(f"    {key}: {figures}")


def cost(given: argparse.Namespace) -> bool:
    """What a counted inference takes, over a plain one; whether none took four times as long."""
    worst = 0.0
    for name in given.only:
        plain, counted, ratio = fresh("cost", name, rounds=given.pairs, threads=1)
        worst = max(worst, ratio)
        print(
            f"{name:14}{1000 * plain:>9.1f} ms{1000 * counted:>9.1f} ms counted: {ratio:.2f} times",
            flush=True,
        )
    return worst <= 4


def same(given: argparse.Namespace) -> bool:
    """Whether counting changed no bit of any output."""
    every = True
    for name in given.only:
        found = fresh("same", name, threads=1)
        every = every and all(found)
        print(f"{name:14}{sum(found)} of {len(found)} outputs the same to the last bit", flush=True)
    return every


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_subparsers(dest="what", required=True)
    for name in ("repeat", "cost", "same"):
        one = what.add_parser(name)
        one.add_argument("--only", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
        if name == "repeat":
            one.add_argument("--processes", type=int, default=10)
            one.add_argument("--rounds", type=int, default=7)
        if name == "cost":
            one.add_argument("--pairs", type=int, default=15)
    once = what.add_parser("once")  # what the others start
    once.add_argument("of", choices=("repeat", "cost", "same"))
    once.add_argument("name", choices=WORKLOADS)
    once.add_argument("--threads", type=int, default=1)
    once.add_argument("--rounds", type=int, default=1)
    once.add_argument("--seed", type=int, default=0)
    once.add_argument("--before", nargs="*", default=())
    given = parser.parse_args()
    if given.what == "once":
        given.out = sys.stdout
        {"repeat": count_once, "cost": cost_once, "same": same_once}[given.of](given)
        return
    sys.exit(not {"repeat": repeat, "cost": cost, "same": same}[given.what](given))


if __name__ == "__main__":
    main()
