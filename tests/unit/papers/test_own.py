"""What a run sets beside the papers."""

from __future__ import annotations

import json
import re
from statistics import fmean

import pytest

from pytest_energy.papers import desislavov, luccioni, own
from pytest_energy.papers.run import read_run

# A run beside the papers. The scripted meter counts known joules.


def metered(name: str, joules: float, n: int = 50, **marks: str) -> str:
    said = ", ".join(f"{key}={value!r}" for key, value in marks.items())
    return f"""
@pytest.mark.inference(n={n}, {said})
def test_{name}(energy):
    for i in energy.each(range({n})):
        spend({joules} * (1 + 0.01 * (i % 5 - 2)))
"""


def specific(task: str, joules: float, **marks: str) -> str:
    name = f"specific_{re.sub(r'[^a-z]', '_', task)}"
    return metered(name, joules, **{"task": task, "role": "task-specific", "model": "own"} | marks)


def general(task: str, joules: float, model: str = "google/flan-t5-base") -> str:
    name = f"general_{re.sub(r'[^a-z]', '_', task)}_{re.sub(r'[^a-z]', '_', model)}"
    return metered(name, joules, task=task, role="general-purpose", model=model)


@pytest.fixture
def run_of(project):
    """Run metered tests, and read the report."""

    def run(*tests: str):
        project.write(test_it="import pytest\nfrom scripted import spend\n" + "".join(tests))
        project.report()
        return read_run(project.path / "report.json")

    return run


def test_a_tasks_energy_is_the_mean_of_its_task_specific_results(run_of):
    run = run_of(
        specific("fill-mask", 3.6),
        specific("text-classification", 7.2),
        metered("other", 14.4, task="text-classification", role="task-specific", model="b"),
        general("text-classification", 100),
    )
    found = own.by_task(run)
    assert list(found) == ["text-classification", "fill-mask"]  # the paper's order
    # 3.6 J an inference are 0.001 kWh per 1,000.
    assert found["fill-mask"].kwh_per_1000 == pytest.approx(0.001)
    assert found["text-classification"].kwh_per_1000 == pytest.approx(0.003)
    assert found["text-classification"].results == 2
    assert found["fill-mask"].method == "counter"


def test_the_papers_own_names_of_tasks_are_understood(run_of):
    run = run_of(specific("extractive QA", 3.6))
    assert list(own.by_task(run)) == ["question-answering"]


def test_regions_other_units_and_results_without_a_role_are_left_out_and_counted(run_of):
    run = run_of(
        specific("fill-mask", 3.6),
        metered("bare", 1, task="fill-mask", model="own"),
        """
@pytest.mark.inference(n=1, task="text-generation", role="task-specific", model="own")
def test_region(energy):
    with energy.measure("prefill"):
        spend(500)

@pytest.mark.inference(n=10, task="fill-mask", role="task-specific", model="own", unit="token")
def test_tokens(energy):
    for _ in energy.each(range(10)):
        spend(1000)
        energy.add(tokens=2)
""",
    )
    # The body around the region is a result of its own.
    results = {task: figure.results for task, figure in own.by_task(run).items()}
    assert results == {"fill-mask": 1, "text-generation": 1}
    assert own.without_role(run) == 1
    assert run.not_compared == 1
    assert [one.measurement.joules_per_unit for one in run.per_token] == [500]


def test_the_order_of_the_tasks_correlates_with_the_papers(run_of):
    run = run_of(
        specific("fill-mask", 2),
        specific("text-generation", 90),
        specific("image-to-text", 40),
        specific("text-to-image", 900),
    )
    order = own.order(run)
    assert order.tasks == ("fill-mask", "text-generation", "image-to-text", "text-to-image")
    # One neighbouring pair of four is swapped: 1 - 6 * 2 / (4 * 15).
    assert order.correlation == pytest.approx(0.8)


def test_models_of_another_comparison_can_be_kept_out_of_the_order(project):
    ten = [("fill-mask", 2), ("text-generation", 20), ("image-to-text", 40), ("text-to-image", 900)]
    start = "import pytest\nfrom scripted import spend\n"
    large = specific("fill-mask", 5000, model="large")
    project.write(
        test_ten_tasks=start + "".join(specific(task, joules) for task, joules in ten),
        test_sizes=start + large,
    )
    project.report()
    run = read_run(project.path / "report.json")
    assert own.by_task(run)["fill-mask"].results == 2
    assert own.order(run).correlation < 0.5
    found = own.by_task(run, "test_ten_tasks.py")
    assert (found["fill-mask"].results, len(found)) == (1, 4)
    assert own.order(run, "test_ten_tasks.py").correlation == pytest.approx(1)


def test_tests_that_the_run_has_not_are_said_with_one_that_it_has(run_of):
    run = run_of(specific("fill-mask", 2))
    for ask in (own.by_task, own.order):
        with pytest.raises(LookupError, match=r"has 'test_ten' in its id, such as test_it\.py::"):
            ask(run, "test_ten")


def test_two_tasks_have_no_rank_correlation(run_of):
    order = own.order(run_of(specific("fill-mask", 2), specific("text-generation", 40)))
    assert order.correlation is None
    assert order.problem == (
        '2 of the ten tasks were measured with role="task-specific"; an order takes 3 or more'
    )


def test_general_purpose_over_task_specific_has_an_interval(run_of):
    run = run_of(
        specific("summarization", 2),
        general("summarization", 8),
        general("summarization", 32, "bigscience/bloomz-560m"),
    )
    kinds = {one.task: one for one in own.kinds(run)}
    found = kinds["summarization"]
    # The geometric mean of 8 and 32 over 2.
    assert found.ratio.value == pytest.approx(8)
    assert found.ratio.low < 8 < found.ratio.high
    assert (found.general, found.specific, found.method) == (2, 1, "counter")
    assert kinds["question-answering"].ratio is None
    assert kinds["question-answering"].problem == ("no general-purpose and no task-specific result")


def test_for_each_parameter_where_tests_record_the_parameters(run_of):
    """By the paper's statistic: the mean of each model's energy for each of its parameters."""

    def recorded(name: str, role: str, joules: float, parameters: float) -> str:
        text = metered(name, joules, task="summarization", role=role, model=name)
        return text + f"    energy.record(parameters={parameters})\n"

    run = run_of(
        recorded("small", "task-specific", 2, 100e6),  # 20 nJ a parameter
        recorded("large", "general-purpose", 12, 3e8),  # 40
        recorded("larger", "general-purpose", 48, 6e8),  # 80
    )
    (found,) = [one for one in own.kinds(run) if one.task == "summarization"]
    assert found.ratio.value == pytest.approx(12)
    assert found.per_parameter == pytest.approx(3)


def test_the_papers_own_rows_give_its_figure_for_each_parameter_by_the_same_statistic(run_of):
    def as_test(number: int, row: luccioni.Row) -> str:
        # n is too small for blocks: the figures alone are of interest.
        return f"""
@pytest.mark.inference(n=1, task={row.task!r}, role={row.role!r}, model={row.model!r})
def test_{number}(energy):
    for _ in energy.each(range(1)):
        spend({row.joules_per_inference!r})
    energy.record(parameters={row.parameters})
"""

    rows = luccioni.where("summarization")
    run = run_of(*(as_test(number, row) for number, row in enumerate(rows)))
    (paper,) = [one for one in luccioni.comparisons() if one.task == "summarization"]
    (found,) = [one for one in own.kinds(run) if one.task == "summarization"]
    assert found.per_parameter == pytest.approx(paper.ratio_per_parameter, rel=1e-3)
    assert found.ratio.value == pytest.approx(paper.geometric_ratio, rel=1e-3)


def test_a_general_purpose_model_is_found_under_the_names_that_people_give_it():
    hub = "google/flan-t5-base"
    for name in (hub, "flan-t5-base", "Flan-T5-base", "flan-t5-base (random weights)"):
        assert own.same_model(name, hub), name
    for name in ("flan-t5", "flan-t5-base-samsum", "my-flan-t5-base"):
        assert not own.same_model(name, hub), name


def test_a_model_that_the_paper_has_without_an_organisation_is_found_under_todays():
    for name in ("gpt2", "openai-community/gpt2", "OpenAI-community/GPT2 (random weights)"):
        assert own.same_model(name, "gpt2"), name
    bare = "distilbert-base-uncased-finetuned-sst-2-english"
    assert own.same_model(f"distilbert/{bare}", bare)
    for name in ("openai-community/gpt2-medium", "distilgpt2", "a/b/gpt2"):
        assert not own.same_model(name, "gpt2"), name
    # Where both say whose it is, it must be the same one's.
    assert not own.same_model("somebody/roberta-base-squad2", "deepset/roberta-base-squad2")


def test_methods_are_never_mixed_in_a_ratio_or_an_order(run_of, project):
    run_of(
        specific("summarization", 2),
        general("summarization", 8),
        specific("fill-mask", 1),
        specific("text-generation", 4),
    )
    path = project.path / "report.json"
    report = json.loads(path.read_text("utf-8"))
    for domain in report["results"][0]["measurement"]["domains"]:
        domain["method"] = "estimated"
    path.write_text(json.dumps(report), "utf-8")
    run = read_run(path)
    (found,) = [one for one in own.kinds(run) if one.task == "summarization"]
    assert (found.ratio, found.problem) == (None, "metered in different ways")
    assert own.order(run).problem == "the tasks were metered in different ways"


def with_work(project, flops: int, gpus: list[str] | None = None):
    """The last report, as if its first result's operations had been counted, on some boards."""
    path = project.path / "report.json"
    report = json.loads(path.read_text("utf-8"))
    report["results"][0]["measurement"]["flops"] = {"count": flops, "without_formula": []}
    report["machine"]["gpus"] = [{"model": m, "power_limit_watts": 400} for m in gpus or []]
    path.write_text(json.dumps(report), "utf-8")
    return read_run(path)


def test_the_papers_energy_stands_over_the_a100s_bound_for_the_operations_counted(run_of, project):
    run_of(specific("text-classification", 2, model="lvwerra/distilbert-imdb"))
    run = with_work(project, 19_500_000_000)  # 0.4 J at the A100's peak in fp32
    found = own.paper_reality(run.measured[0])
    rows = luccioni.where(model="lvwerra/distilbert-imdb")
    assert found.of == "the paper's lvwerra/distilbert-imdb"
    assert found.times == pytest.approx(fmean(r.joules_per_inference for r in rows) / 0.4)


@pytest.mark.parametrize(
    ("task", "model"), [("fill-mask", "own"), ("fill-mask", "gpt2"), ("sentiment", "gpt2")]
)
def test_a_model_that_the_paper_has_not_run_on_the_task_is_set_beside_no_other(
    run_of, project, task, model
):
    run_of(specific(task, 2, model=model))
    assert own.paper_reality(with_work(project, 10**9).measured[0]) is None


def test_a_machine_with_one_known_board_has_a_ratio_of_its_own(run_of, project):
    run_of(
        """
@pytest.mark.inference(n=50, task="fill-mask", role="task-specific", model="own")
def test_it(energy):
    for _ in energy.each(range(50)):
        spend(0, 2)
"""
    )
    board = "NVIDIA A100-SXM4-80GB"
    run = with_work(project, 19_500_000_000, [board])
    assert own.own_reality(run.measured[0], run).times == pytest.approx(5)
    for gpus in ([], [board, board], ["Voodoo2"]):
        run = with_work(project, 19_500_000_000, gpus)
        assert own.own_reality(run.measured[0], run) is None


def with_bytes(project, moved: int, dtype: str = "float32", flops: int = 19_500_000_000):
    """The last report, as if its first result's operators had been counted, on one A100."""
    path = project.path / "report.json"
    with_work(project, flops, ["NVIDIA A100-SXM4-80GB"])
    report = json.loads(path.read_text("utf-8"))
    report["results"][0]["counts"] = {
        "device": "cuda",
        "samples": [{"flops": 2 * flops, "bytes": moved, "calls": 3}] * 2,
        "sizes": [2, 2],
        "operators": [
            {"module": "M", "operator": "aten::mm", "dtype": dtype},
            {"module": "M", "operator": "aten::argmax", "dtype": "int64"},
        ],
    }
    path.write_text(json.dumps(report), "utf-8")
    return read_run(path)


def test_a_run_that_counted_bytes_has_a_ratio_with_memory_too(run_of, project):
    run_of(
        """
@pytest.mark.inference(n=50, task="text-classification", model="lvwerra/distilbert-imdb")
def test_it(energy):
    for _ in energy.each(range(50)):
        spend(0, 2)
"""
    )
    # 2 x 4078 MB are 2 x 0.8 J at the A100's bandwidth, where the operations take 0.4.
    run = with_bytes(project, 2 * 4_078_000_000)
    found = own.own_reality(run.measured[0], run)
    assert (found.times, found.times_with_memory) == (pytest.approx(5), pytest.approx(2.5))
    paper = own.paper_reality(run.measured[0])
    assert paper.times_with_memory == pytest.approx(paper.times / 2)
    # Few bytes take no longer than the operations.
    run = with_bytes(project, 1000)
    found = own.own_reality(run.measured[0], run)
    assert found.times_with_memory == found.times == pytest.approx(5)


def test_a_run_without_bytes_has_the_bound_of_the_operations_alone(run_of, project):
    run_of(specific("fill-mask", 2))
    run = with_work(project, 10**9)
    assert run.measured[0].traffic is None
    assert own.bytes_on(run.measured[0], desislavov.device("T4")) == 0
    run = with_bytes(project, 0)
    assert run.measured[0].traffic is None


@pytest.mark.parametrize(
    ("dtype", "fp32", "fp16"),
    [
        ("float32", 500, 250),
        ("bfloat16", 500, 500),  # in fp32 it would be more, which a lower bound need not say
        ("float64", 250, 125),
        ("int64", 500, 250),  # nothing is known of the numbers
    ],
)
def test_a_narrower_precision_moves_fewer_bytes(run_of, project, dtype, fp32, fp16):
    run_of(specific("fill-mask", 2))
    (one,) = with_bytes(project, 1000, dtype).measured
    assert one.traffic.bytes_per_inference == 500
    assert own.bytes_on(one, desislavov.device("A100 SXM4 80GB", "fp32")) == fp32
    assert own.bytes_on(one, desislavov.device("A100 SXM4 80GB", "tf32")) == fp32
    assert own.bytes_on(one, desislavov.device("A100 SXM4 80GB", "fp16")) == fp16
