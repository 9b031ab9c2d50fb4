"""Loops over batches: n counts inferences, the last smaller batch included."""

from __future__ import annotations

import pytest

from pytest_energy.metering.batches import batch_sizes
from support.projects import flowing

LOADER = """
import pytest
from scripted import spend

class Loader:  # batches of a dataset, as torch's DataLoader has them
    def __init__(self, samples, batch_size, drop_last=False):
        self.dataset = range(samples)
        self.batch_size, self.drop_last = batch_size, drop_last

    def __len__(self):
        whole, rest = divmod(len(self.dataset), self.batch_size)
        return whole + bool(rest and not self.drop_last)

    def __iter__(self):
        for i in range(len(self)):
            yield list(self.dataset[i * self.batch_size : (i + 1) * self.batch_size])
"""


def results(project, test, *arguments):
    project.write(test_it=LOADER + test)
    return project.report(*arguments)["results"]


def test_n_counts_inferences_and_the_last_smaller_batch_is_one_of_them(project):
    (result,) = results(
        project,
        """
@pytest.mark.inference(n=100, warmup=8)
def test_x(energy):
    seen = 0
    for batch in energy.each(Loader(100, 8), batch_size=8):
        spend(2 * len(batch))
        seen += len(batch)
    assert seen == energy.count == 8 + 2 * 3 * 8 + 100  # three are counted
""",
    )
    measurement = result["measurement"]
    assert (result["subject"]["n"], measurement["metered_count"]) == (100, 100)
    assert [block["n"] for block in measurement["blocks"]] == [8] * 12 + [4]
    assert measurement["joules_per_unit"] == pytest.approx(2.0)


def test_batches_come_round_again_the_small_one_in_its_place(project):
    (result,) = results(
        project,
        """
@pytest.mark.inference(n=40, warmup=0)
def test_x(energy):
    for batch in energy.each(Loader(20, 8), batch_size=8):
        spend(len(batch))
""",
    )
    assert [block["n"] for block in result["measurement"]["blocks"]] == [8, 8, 4] * 2
    assert result["measurement"]["joules_per_unit"] == pytest.approx(1.0)


def test_without_a_marker_n_is_one_round_of_the_loader(project):
    (result,) = results(
        project,
        """
def test_x(energy):
    energy.run(lambda batch: spend(3 * len(batch)), Loader(20, 8), batch_size=8)
""",
    )
    assert result["subject"]["n"] == 20
    assert result["measurement"]["joules_per_unit"] == pytest.approx(3.0)


def test_a_loader_that_is_looped_over_without_saying_so_is_told(project):
    project.write(
        test_it=LOADER
        + """
@pytest.mark.inference(n=3)
def test_x(energy):
    for batch in energy.each(Loader(24, 8)):
        spend(len(batch))
"""
    )
    result = project.run()
    result.assert_outcomes(passed=1, warnings=1)
    text = flowing(result)
    assert "energy.each got a loader of batch_size 8, and n counts its batches" in text
    assert "energy.each(loader, batch_size=8) it counts inferences" in text


def test_an_n_that_no_batches_make_is_an_error_that_names_those_that_would_do(project):
    project.write(
        test_it=LOADER
        + """
@pytest.mark.inference(n=50)
def test_x(energy):
    list(energy.each(Loader(100, 8), batch_size=8))

@pytest.mark.inference(n=8)
def test_y(energy):
    list(energy.each(Loader(100, 8), batch_size=0))
"""
    )
    lines = ["*no number of batches of 8 makes n=50: n=48 or n=56 would do*"]
    project.run().stdout.fnmatch_lines([*lines, "*batch_size: expected a whole number*"])
    project.run("--energy-off").stdout.fnmatch_lines(lines)


@pytest.mark.parametrize(
    ("samples", "n", "expected"),
    [
        ([[1, 2], [3, 4]], 4, [2, 2]),
        ([[1, 2], [3]], 3, [2, 1]),  # n ends with the last one
        ([[1, 2], [3, 4]], None, [2, 2]),
        ([[1, 2], [3, 4]], 8, [2, 2, 2, 2]),
        (iter([[1, 2], [3, 4]]), 4, [2, 2]),
    ],
)
def test_lists_and_generators_of_batches(samples, n, expected):
    assert list(batch_sizes(samples, n, 2)) == expected


def test_a_generator_without_n_cannot_say_how_many():
    with pytest.raises(pytest.UsageError, match="say n in the marker"):
        batch_sizes(iter([[1, 2]]), None, 2)
