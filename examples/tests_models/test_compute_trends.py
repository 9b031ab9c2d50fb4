"""Compute and energy: how joules per inference grow with operations, and what accuracy they buy.

After Desislavov, Martínez-Plumed and Hernández-Orallo, "Trends in AI inference energy consumption"
(arXiv 2109.05472). They estimate joules from operations and a device's peak rate per watt; here
operations are counted, joules are metered, and the estimate stands beside with its error.
"""

from __future__ import annotations

import functools
from statistics import fmean

import hub
import pytest
import torch
from batches import N, to_classify, up_to
from closing import columns
from families import (
    CATS,
    CUT,
    DEPTHS,
    EFFICIENTNETS,
    PUBLISHED_MULTIPLICATIONS,
    PUBLISHED_TOP1,
    encoders,
    photographs,
)
from trends import Point, joules_of_next_point, point, slope

from pytest_energy.papers import work
from pytest_energy.papers.desislavov import device, lower_bound_joules, yearly_kwh
from pytest_energy.types.units import format_flops, format_joules, significant

inference = functools.partial(pytest.mark.inference, tolerance="10%")

IMAGES = up_to(40)
PRODUCTS = up_to(400, 20)

DEVICES = (
    ("A100 SXM4 80GB", "fp32"),
    ("A100 SXM4 80GB", "fp16"),
    ("H100 SXM5", "fp16"),
    ("L4", "fp16"),
    ("Jetson AGX Orin 64GB", "fp32"),
    ("EPYC 7742", "fp32"),
)
"""Other hardware: data centre, small boards, a CPU."""

INFERENCES_PER_DAY = 1_000
"""Of one user, for the multiplicative factor: a keyboard that suggests, a feed that is sorted."""

USERS = 1_000_000

HEADING = "compute and energy"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "encoder" not in metafunc.fixturenames:
        return
    size = metafunc.config.getoption("size")
    n = 1_000 if size == "paper" else N
    parameters = []
    for member in encoders(size):
        marks = [
            inference(
                n=n,
                task="text-classification",
                model=member.name,
                dataset="movie-review-snippets",
            ),
            pytest.mark.models(member.on_shelf),
        ]
        if member not in CUT and not hub.has(member.name):
            marks.append(pytest.mark.skip(reason=hub.skip_reason(member.name)))
        parameters.append(pytest.param(member, n, id=member.on_shelf, marks=marks))
    metafunc.parametrize(("encoder", "n"), parameters)


def test_encoders_of_growing_size(energy, shelf, encoder, n):
    classify = shelf[encoder.on_shelf]
    samples = to_classify(classify.encoder.tokenizer, n)
    right = {}
    for review in energy.each(samples):
        right[review.number] = classify([review.text]) == [review.label]
    energy.record(accuracy=fmean(right.values()))
    if encoder in CUT:  # what heads on other encoders reach is for the table to say
        assert fmean(right.values()) > 0.6


@pytest.mark.parametrize(
    "member",
    [
        pytest.param(
            member,
            id=member.name,
            marks=[
                inference(
                    n=IMAGES,
                    task="image-classification",
                    model=member.name,
                    dataset="scikit-image-photographs",
                ),
                pytest.mark.models(member.on_shelf),
            ],
        )
        for member in EFFICIENTNETS
    ],
)
def test_image_classifiers_of_growing_size(energy, shelf, member):
    pytest.importorskip("skimage")
    classifier = shelf[member.on_shelf]
    pixels = [classifier.prepare(photograph) for photograph in photographs()]
    seen = energy.run(classifier, pixels)
    # Four photographs say nothing of accuracy, so its name says that it was not measured here.
    energy.record(published_top1=PUBLISHED_TOP1[member.name])
    assert set(seen[:: len(pixels)]) <= set(CATS)


@inference(n=PRODUCTS, task="compute", model="float32 product 64x768x3072")
def test_what_a_matrix_product_takes(energy):
    """The cheapest operations that a model can hope for here: what it takes beyond is its own."""
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randn(64, 768, generator=generator).to(hub.device())
    weights = [torch.randn(768, 3072, generator=generator).to(hub.device()) for _ in range(8)]
    with torch.inference_mode():
        for weight in energy.each(weights):
            torch.mm(tokens, weight)


def measured(energy_results, names, accuracy="accuracy") -> list[Point]:
    """Those models as points, in this order; the test that asks is skipped without them all."""
    found = {}
    for name in names:
        for measurement in energy_results.where(model=name, unit="inference").measurements:
            found[name] = point(name, measurement, accuracy)
    if len(found) < len(names):
        missing = ", ".join(name for name in names if name not in found)
        pytest.skip(f"needs the measurements of tests above: {missing}")
    return list(found.values())


def cut(energy_results) -> list[Point]:
    return measured(energy_results, [member.name for member in CUT])


def efficientnets(energy_results) -> list[Point]:
    return measured(energy_results, list(PUBLISHED_TOP1), "published_top1")


def test_each_layer_adds_the_same_operations(energy_results):
    flops = [one.flops for one in cut(energy_results)]
    layer = flops[1] - flops[0]
    assert layer > 0
    assert [count - flops[0] for count in flops] == [layer * (depth - 1) for depth in DEPTHS]


def test_counted_operations_are_what_was_published_of_the_image_classifiers(energy_results):
    for one in efficientnets(energy_results):
        assert one.flops == pytest.approx(2 * PUBLISHED_MULTIPLICATIONS[one.name], rel=0.1)


def test_the_largest_takes_more_energy_than_the_smallest(energy_results):
    cut(energy_results)
    efficientnets(energy_results)
    for smallest, largest in (
        (CUT[0].name, CUT[-1].name),
        (EFFICIENTNETS[0].name, EFFICIENTNETS[-1].name),
    ):
        ratio = energy_results.where(model=largest).ratio(energy_results.where(model=smallest))
        if hub.device() == "cpu":  # a GPU mostly waits for operations this small to be launched
            assert ratio.value > 1.2


def test_operations_joules_and_accuracy_side_by_side(energy_results, say, size):
    groups = {"accuracy measured here": cut(energy_results)}
    if size == "paper":
        for family in dict.fromkeys(member.family for member in encoders(size)):
            names = [m.name for m in encoders(size) if m.family == family and m not in CUT]
            there = [n for n in names if energy_results.where(model=n).measurements]
            if len(there) > 1:
                groups[f"{family}, accuracy measured here"] = measured(energy_results, there)
    groups["top-1 as published, not measured here"] = efficientnets(energy_results)
    for title, points in groups.items():
        rows = [["model", "FLOP", "J/inference", "J/GFLOP", "accuracy", "J/point", "J/next point"]]
        for before, one in zip([None, *points], points, strict=False):
            price = joules_of_next_point(before, one) if before else None
            rows.append(
                [
                    one.name,
                    format_flops(one.flops),
                    format_joules(one.joules),
                    format_joules(one.joules_per_gflop),
                    f"{one.accuracy:.3f}",
                    format_joules(one.joules_per_point),
                    format_joules(price) if price is not None else "none gained" * bool(before),
                ]
            )
        grows = slope(points)
        interval = f" (95 %: {grows.low:.2f} to {grows.high:.2f})" if grows.low is not None else ""
        say(
            HEADING,
            f"({title})",
            *columns(rows),
            f"energy grows as operations to the power of {grows.value:.2f}{interval};"
            " 1 is proportional",
            "",
        )
        assert grows.value > 0


def test_joules_on_other_hardware_are_estimates_and_lower_bounds(energy_results, say):
    (product,) = measured(energy_results, ["float32 product 64x768x3072"])
    points = [cut(energy_results)[-1], efficientnets(energy_results)[-1]]
    others = [device(name, precision) for name, precision in DEVICES]
    rows = [["device", "joules", *(one.name for one in points)]]
    for other in others:
        bounds = [lower_bound_joules(one.flops, other) for one in points]
        rows.append(
            [other.name, f"bound, {other.precision}", *(format_joules(bound) for bound in bounds)]
        )
    here = [one.joules_per_gflop / product.joules_per_gflop for one in points]
    rows.append(["this machine", "measured", *(format_joules(one.joules) for one in points)])
    rows.append(["", "over a float32 product's", *(f"{ratio:.2f} times" for ratio in here)])
    say(
        HEADING,
        "joules per inference on other hardware: an ESTIMATE and a LOWER BOUND, from operations",
        "and peak rate per watt (Desislavov et al.)",
        *columns(rows, left=2),
        "",
    )
    # What bounds are worth where they can be checked: the paper's own hardware.
    bert = [one for one in work.distances() if one.work.model == "bert-base-uncased"]
    told = [
        [
            one.work.input,
            format_flops(one.work.flops),
            *map(span, (one.operations, one.with_memory)),
        ]
        for one in bert
    ]
    say(
        HEADING,
        "how far from reality: bert-base-uncased (fill-mask) took"
        f" {format_joules(bert[0].joules.mean)} per inference in Luccioni et al. (2024),",
        "  so many times the fp32 bound of one A100, by the length of its texts, which the paper",
        "  does not say: batch size 1, and all eight boards metered (memory: weights, read once)",
        *columns([["length", "FLOP", "operations alone", "memory too"], *told], left=1),
        "",
    )
    if hub.device() == "cpu":  # nothing is much cheaper there than the plainest of products
        assert min(here) > 0.5


def span(of: work.Span) -> str:
    return f"{significant(of.least)} to {significant(of.most)} times"


def test_small_figures_become_large_ones_by_their_number(energy_results, say):
    points = [*cut(energy_results), *efficientnets(energy_results)]
    rows = [["model", "J/inference", "kWh/year, one user", f"MWh/year, {USERS:,} users"]]
    for one in points:
        year = yearly_kwh(one.joules, INFERENCES_PER_DAY)
        everybody = yearly_kwh(one.joules, INFERENCES_PER_DAY, USERS) / 1000
        rows.append(
            [one.name, format_joules(one.joules), significant(year), significant(everybody)]
        )
        assert everybody * 1000 == pytest.approx(USERS * year)
    say(
        HEADING,
        f"multiplicative factor: {INFERENCES_PER_DAY:,} inferences a day and user, as measured"
        " here, before PUE",
        *columns(rows),
    )
