"""What torch's operators do, counted: exact, and no trouble for the user's model."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest

from pytest_energy.counting.counter import Counter, counted_positions, known_to
from pytest_energy.types.counts import Work
from pytest_energy.types.measurement import FlopCount, flop_count

torch = pytest.importorskip("torch", reason="needs torch")
transformers = pytest.importorskip("transformers", reason="needs transformers")

FLOAT = 4
"""Bytes of a float32."""


def counted(call, times=1):
    """Counts of so many calls."""
    counter = Counter("operators alone")
    for _ in range(times):
        with counter.counting(), torch.inference_mode():
            call()
    counts = counter.counts([1] * times)
    assert not counts.operators_unavailable
    return counts


def rows(counts):
    """Module and operator: FLOPs, bytes, calls."""
    return {
        (row.module, row.operator.removeprefix("aten::")): (row.flops, row.bytes, row.calls)
        for row in counts.operators
    }


@pytest.fixture(scope="module")
def distilbert():
    """Two layers, for speed; the shapes are DistilBERT's."""
    config = transformers.DistilBertConfig(n_layers=2, vocab_size=100)
    return transformers.DistilBertModel(config).eval()


TOKENS = torch.ones(1, 64, dtype=torch.long)
# Two operations a multiply-add: four projections, two feed-forward layers, two attention products.
LAYER = 2 * 64 * (4 * 768 * 768 + 2 * 768 * 3072) + 2 * 2 * 64 * 64 * 768


# Operations


def test_operations_equal_the_analytic_count_fused_attention_included(distilbert):
    counts = counted(lambda: distilbert(TOKENS))
    assert counts.total.flops == 2 * LAYER
    assert flop_count(counts) == FlopCount(2 * LAYER, (), (2 * LAYER,))


def test_counts_are_the_same_at_every_repetition_and_on_any_number_of_threads(distilbert):
    threads = torch.get_num_threads()
    found = set()
    for n in (1, 2, 1):
        torch.set_num_threads(n)
        found |= set(counted(lambda: distilbert(TOKENS), 2).samples)
    torch.set_num_threads(threads)
    assert len(found) == 1


def test_a_lost_cache_shows():
    config = transformers.GPT2Config(n_layer=1, n_embd=64, n_head=2, vocab_size=50)
    model = transformers.GPT2LMHeadModel(config).eval()

    def generate(use_cache):
        return counted(
            lambda: model.generate(
                TOKENS[:, :16],
                attention_mask=TOKENS[:, :16],
                max_new_tokens=10,
                min_new_tokens=10,
                do_sample=False,
                pad_token_id=0,
                use_cache=use_cache,
            )
        ).total.flops

    assert generate(False) > 5 * generate(True)


def test_a_quantised_product_counts_as_the_plain_one_does():
    layer = torch.nn.Linear(8, 4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantised = torch.ao.quantization.quantize_dynamic(
            torch.nn.Sequential(layer), {torch.nn.Linear}
        )
        counts = counted(lambda: quantised(torch.ones(3, 8)))
    assert counts.total.flops == 2 * 3 * 8 * 4
    assert rows(counts)["Sequential.0", "quantized::linear_dynamic"][0] == 192


def test_what_computes_and_has_no_formula_is_named():
    counts = counted(lambda: torch.fft.rfft(torch.ones(3, 8)))
    assert counts.without_formula == ("aten::_fft_r2c",)


def test_an_operator_of_somebody_elses_is_named():
    @torch.library.custom_op("energytest::square", mutates_args=())
    def square(x: torch.Tensor) -> torch.Tensor:
        return x @ x.T

    counts = counted(lambda: square(torch.ones(3, 8)))
    assert counts.without_formula == ("energytest::square",)


@pytest.mark.parametrize(
    ("call", "flops"),
    [
        (lambda: torch.ones(3, 8) @ torch.ones(8), 2 * 3 * 8),
        (lambda: torch.sparse.mm(torch.eye(8).to_sparse(), torch.ones(8, 3)), 2 * 8 * 3),
        (lambda: torch.sparse.mm(CSR, torch.ones(8, 3)), 2 * 8 * 3),
        (lambda: LSTM(torch.ones(1, 5, 8)), 2 * 5 * 4 * 16 * (8 + 16)),
        (lambda: ENCODER(torch.ones(1, 5, 8)), 2 * 5 * (4 * 8 * 8 + 2 * 8 * 16) + 4 * 5 * 5 * 8),
    ],
    ids=["matrix times vector", "sparse COO", "sparse CSR", "LSTM", "fused encoder layer"],
)
def test_operators_that_torchs_own_table_lacks_have_a_formula(call, flops):
    counts = counted(call)
    assert counts.total.flops == flops
    assert not counts.without_formula


with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # they are in beta state
    CSR = torch.eye(8).to_sparse_csr()
LSTM = torch.nn.LSTM(8, 16, batch_first=True)
ENCODER = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()


# Bytes


def test_each_operand_counts_once_and_views_are_free():
    x, bias = torch.ones(3, 8), torch.ones(8)
    assert counted(lambda: x + x).total == Work(0, 2 * 24 * FLOAT, 1)  # read once, written once
    assert counted(lambda: x.view(8, 3).t()[2:]).total == Work()
    assert counted(lambda: x.add_(1)).total.bytes == 24 * FLOAT
    assert counted(lambda: x + bias.expand(3, 8)).total.bytes == (24 + 8 + 24) * FLOAT
    assert counted(lambda: torch.empty(1000)).total.bytes == 0


def test_of_a_table_the_rows_that_are_looked_up_are_read():
    table = torch.nn.Embedding(30_000, 8)
    wanted = torch.tensor([1, 2, 3])
    counts = counted(lambda: table(wanted))
    assert counts.total.bytes == 2 * 3 * 8 * FLOAT + 3 * 8


def test_half_as_wide_numbers_are_half_the_bytes():
    layer, x = torch.nn.Linear(64, 64), torch.ones(3, 64)
    single = counted(lambda: layer(x)).total
    wider, wide = layer.double(), x.double()
    double = counted(lambda: wider(wide)).total
    assert double.flops == single.flops
    assert double.bytes == pytest.approx(2 * single.bytes, rel=0.1)


# By module


def test_layers_that_do_the_same_share_a_row():
    layers = torch.nn.Sequential(*[torch.nn.Linear(8, 8) for _ in range(6)])
    counts = counted(lambda: layers(torch.ones(3, 8)))
    assert rows(counts) == {
        ("Sequential.[0-5]", "addmm"): (6 * 384, 6 * 480, 6),
        ("", "ones"): (0, 96, 1),
    }


class Twice(torch.nn.Linear):
    def forward(self, x):
        return super().forward(super().forward(x))


def test_a_layer_that_does_more_has_a_row_of_its_own():
    kinds = [Twice if i == 3 else torch.nn.Linear for i in range(6)]
    layers = torch.nn.Sequential(*[kind(8, 8) for kind in kinds])
    x = torch.ones(3, 8)
    assert rows(counted(lambda: layers(x))) == {
        ("Sequential.[0-2,4-5]", "addmm"): (5 * 384, 5 * 480, 5),
        ("Sequential.3", "addmm"): (2 * 384, 2 * 480, 2),
    }


def test_what_a_modules_own_hooks_do_is_told_of_the_module_around_it():
    layers = torch.nn.Sequential(torch.nn.Linear(8, 8))
    layers[0].register_forward_hook(lambda module, args, output: output.relu())
    assert rows(counted(lambda: layers(torch.ones(3, 8))))["Sequential", "relu"][2] == 1


class Recursive(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = torch.nn.Linear(8, 8)

    def forward(self, x, depth=2):
        return self(x, depth - 1) if depth else self.inner(x)


class Shared(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(8, 8)
        self.second = self.first

    def forward(self, x):
        return self.second(self.first(x))


class Forgiving(torch.nn.Module):
    """Its part raises, and so do two operators."""

    def __init__(self):
        super().__init__()
        self.part = torch.nn.Linear(7, 7)
        self.inner = torch.nn.Linear(8, 8)

    def forward(self, x):
        for wrong in (lambda: self.part(x), lambda: x.view(7, 7), lambda: x @ x):
            with pytest.raises(RuntimeError):
                wrong()
        return self.inner(x)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (Recursive(), {("Recursive.inner", "addmm"): 1}),
        (Shared(), {("Shared.first", "addmm"): 2}),
        (Forgiving(), {("Forgiving.inner", "addmm"): 1}),
        (torch.jit.script(torch.nn.Sequential(torch.nn.Linear(8, 8))), None),
        (
            torch.nn.Sequential(*[torch.nn.Sequential(torch.nn.Linear(8, 8)) for _ in range(5000)]),
            {("Sequential.[0-4999].0", "addmm"): 5000},
        ),
    ],
    ids=["recursive", "a module used twice", "exceptions inside", "torch.jit", "10,000 modules"],
)
def test_odd_models_are_counted_by_their_modules(model, expected):
    x = torch.ones(3, 8)
    counts = counted(lambda: model(x), 2)
    assert len(set(counts.samples)) == 1
    found = {key: calls // 2 for key, (_, _, calls) in rows(counts).items()}
    if expected is None:
        assert {operator for _, operator in found} == {"addmm"}
    else:
        assert found == expected


def test_a_replaced_forward_and_a_hook_that_raises_are_the_models_own_business():
    layer = torch.nn.Linear(8, 4)
    layer.forward = lambda x: x @ x.T
    assert rows(counted(lambda: layer(torch.ones(3, 8))))["Linear", "mm"][2] == 1

    def refuses(module, args, output):
        raise ValueError("not today")

    model = torch.nn.Sequential(torch.nn.Linear(8, 8))
    model[0].register_forward_hook(refuses)
    counter = Counter()
    with pytest.raises(ValueError, match="not today"), counter.counting():
        model(torch.ones(3, 8))
    assert counter.counts([1]) is None
    assert not torch.nn.modules.module._global_forward_hooks
    torch.ones(1).add(1)  # and nothing of the counter is left behind


def test_models_that_other_threads_call_are_counted_too():
    model = torch.nn.Sequential(torch.nn.Linear(8, 8))
    counter, x = Counter(), torch.ones(3, 8)
    with ThreadPoolExecutor(2) as pool:
        for _ in range(2):
            with counter.counting():
                list(pool.map(model, [x] * 4))
    counts = counter.counts([1, 1])
    assert rows(counts)["Sequential.0", "addmm"][2] == 8
    assert len(set(counts.samples)) == 1


def test_several_models_in_one_inference_are_told_apart():
    one, two = torch.nn.Linear(8, 8), torch.nn.Linear(8, 4)
    found = rows(counted(lambda: two(one(torch.ones(3, 8)))))
    assert found["Linear", "addmm"][0] == 384
    assert found["Linear#2", "addmm"][0] == 192


def test_a_tensor_subclass_is_counted_by_what_it_does_inside():
    from torch.utils import _pytree

    class Wrapped(torch.Tensor):
        @staticmethod
        def __new__(cls, inner):
            return torch.Tensor._make_wrapper_subclass(cls, inner.shape, dtype=inner.dtype)

        def __init__(self, inner):
            self.inner = inner

        @classmethod
        def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
            bare = _pytree.tree_map(lambda t: t.inner if isinstance(t, cls) else t, args)
            return func(*bare, **(kwargs or {}))

    left, right = Wrapped(torch.ones(3, 8)), torch.ones(8, 4)
    assert rows(counted(lambda: torch.mm(left, right)))["", "mm"] == (192, (24 + 32 + 12) * 4, 1)


def test_a_compiled_model_is_counted_uncompiled_and_that_is_said():
    compiled = torch.compile(torch.nn.Linear(10, 20), backend="eager")
    x = torch.randn(3, 10)
    compiled(x)
    counter = Counter()
    with counter.counting():
        compiled(x)
    counts = counter.counts([1])
    assert counts.total.flops == 1200
    assert counts.notes == ("what torch.compile compiles was counted uncompiled",)


def test_yolos_which_crashes_torchs_own_counter_is_counted():
    config = transformers.YolosConfig(
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        image_size=[64, 64],
        num_detection_tokens=5,
    )
    model = transformers.YolosForObjectDetection(config).eval()
    assert counted(lambda: model(torch.randn(1, 3, 64, 64))).total.flops > 0


def test_training_counts_the_backward_pass_too():
    layer = torch.nn.Linear(10, 20, bias=False)
    counter = Counter()
    with counter.counting():
        layer(torch.randn(3, 10)).sum().backward()
    assert counter.counts([1]).total.flops == 2 * (2 * 3 * 10 * 20)


# Nothing is changed


def test_counting_changes_neither_what_a_model_returns_nor_the_random_numbers_after_it():
    model = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Dropout(0.5))
    x = torch.ones(3, 8)
    torch.manual_seed(1)
    plain = [model(x), model(x)]
    torch.manual_seed(1)
    with Counter().counting():
        first = model(x)
    assert torch.equal(first, plain[0])
    assert torch.equal(model(x), plain[0])  # as if it had not been called before


def test_an_error_of_the_model_is_the_models_own():
    counter = Counter()
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"), counter.counting():
        torch.randn(2, 3) @ torch.randn(2, 3)
    assert counter.counts([1]) is None


def test_what_cannot_be_counted_is_said_and_never_raised(monkeypatch):
    monkeypatch.setattr("pytest_energy.counting.counter.Operators", lambda *_: 1 / 0)
    counter = Counter()
    with counter.counting():
        torch.ones(1).add(1)
    counts = counter.counts([1])
    assert counts.operators_unavailable == "ZeroDivisionError: division by zero"
    assert flop_count(counts) is None


# How many samples


@pytest.mark.parametrize(
    ("n", "count"), [(1, 1), (5, 1), (6, 2), (9, 3), (100, 3), (1000, 30), (100_000, 64)]
)
def test_three_samples_are_counted_or_three_hundredths_of_them_spread_evenly(n, count):
    positions = counted_positions(n)
    assert len(positions) == count
    assert positions[:3] == (0, n // 2, n - 1)[:count]
    assert len(set(positions)) == count
    assert max(positions) < n
    if count > 20:
        assert sum(positions) / count == pytest.approx(n / 2, rel=0.05)


def test_more_samples_of_a_loop_are_counted_after_the_same_first_ones():
    assert counted_positions(1000)[:3] == (0, 500, 999)


def test_three_that_agree_are_enough():
    counter = Counter()
    layer = torch.nn.Linear(10, 20)
    for rows_of in (3, 3, 3):
        assert not counter.enough(100)
        with counter.counting():
            layer(torch.ones(rows_of, 10))
    assert counter.enough(100)
    assert flop_count(counter.counts([1, 1, 1])).standard_error == 0


def test_samples_that_differ_are_averaged_over_the_inferences_that_they_are():
    counter = Counter()
    layer = torch.nn.Linear(10, 20)
    for rows_of in (4, 2):
        with counter.counting():
            layer(torch.ones(rows_of, 10))
    assert not counter.enough(100)
    assert flop_count(counter.counts([4, 2])) == FlopCount(400, (), (400, 400))
    assert flop_count(counter.counts([1, 1])) == FlopCount(1200, (), (1600, 800))


def test_how_well_a_mean_is_known():
    assert known_to([5, 5, 5], 100) == 0
    assert known_to([1, 2, 3], 3) == 0  # all of them
    assert known_to([90, 100, 110], 10**9) == pytest.approx(1.96 * 0.1 / 3**0.5, rel=1e-3)
