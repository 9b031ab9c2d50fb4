"""Changes planted in a real model: what is named is what was edited."""

from __future__ import annotations

import copy
import json

import pytest

from pytest_energy.counting.counter import Counter
from pytest_energy.verdict.counts_comparison import compare
from support.counted import stored

torch = pytest.importorskip("torch", reason="needs torch")
nn = torch.nn
functional = nn.functional

WIDTH, LAYERS, WORDS = 128, 4, 1000


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.out = nn.Linear(WIDTH, WIDTH)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x):
        scores = self.query(x) @ self.key(x).transpose(-1, -2) / WIDTH**0.5
        return self.out(self.dropout(scores.softmax(-1)) @ self.value(x))


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = Attention()
        self.norm = nn.LayerNorm(WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x):
        x = self.norm(x + self.attention(x))
        return x + self.dropout(self.down(functional.gelu(self.up(x))))


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.ModuleList(Layer() for _ in range(LAYERS))

    def forward(self, x):
        for layer in self.layer:
            x = layer(x)
        return x


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(WORDS, WIDTH)
        self.encoder = Encoder()
        self.head = nn.Linear(WIDTH, WORDS)

    def forward(self, ids):
        return self.head(self.encoder(self.embedding(ids)))


class Tokenizer:
    def clean(self, text):
        return text.strip().lower()

    def number_of(self, word):
        return (len(word) + ord(word[0])) % WORDS

    def encode(self, text, length):
        ids = []
        for word in self.clean(text).split():
            ids.append(self.number_of(word))
        return torch.tensor([ids + [0] * (length - len(ids))])


class Pipeline:
    """What a test calls: everything that can be edited."""

    def __init__(self):
        torch.manual_seed(0)
        self.model = Model().eval()
        self.tokenizer = Tokenizer()
        self.length = 24

    def prepare(self, text):
        return self.tokenizer.encode(text, self.length)

    def predict(self, ids):
        return self.model(ids)

    def __call__(self, text):
        with torch.no_grad():
            return self.predict(self.prepare(text))


TEXTS = [f"a film with {'many ' * i}turns and a weak end" for i in range(3)]


def counts_of(pipeline):
    pipeline(TEXTS[0])
    counter = Counter()
    for text in TEXTS:
        with counter.counting():
            pipeline(text)
    return counter.counts([1] * len(TEXTS))


def edit(module, forward):
    """Give a module another `forward`, which is called with the one that it had."""
    before = module.forward
    module.forward = lambda *args: forward(before, *args)


def rewrite(thing, name, function):
    """Give an object another method, as if it stood in its class."""
    place = f"{type(thing).__name__}.{name}"
    function.__code__ = function.__code__.replace(co_qualname=place)
    setattr(thing, name, function.__get__(thing))


def nothing(pipeline):
    pass


def attention_runs_twice_in_each_layer(pipeline):
    for layer in pipeline.model.encoder.layer:
        edit(layer.attention, lambda forward, x: forward(forward(x)))


def attention_runs_twice_in_one_layer(pipeline):
    edit(pipeline.model.encoder.layer[2].attention, lambda forward, x: forward(forward(x)))


def one_more_layer(pipeline):
    layers = pipeline.model.encoder.layer
    layers.append(copy.deepcopy(layers[0]))


def two_more_layers(pipeline):
    one_more_layer(pipeline)
    one_more_layer(pipeline)


def model_in_float64(pipeline):
    pipeline.model.double()


def one_module_in_float64(pipeline):
    for layer in pipeline.model.encoder.layer:
        layer.up.double()
        edit(layer.up, lambda forward, x: forward(x.double()).float())


def softmax_in_float64(pipeline):
    def forward(self, x):
        scores = self.query(x) @ self.key(x).transpose(-1, -2) / WIDTH**0.5
        weights = scores.double().softmax(-1).to(x.dtype)
        return self.out(self.dropout(weights) @ self.value(x))

    for layer in pipeline.model.encoder.layer:
        edit(layer.attention, lambda _, x, attention=layer.attention: forward(attention, x))


def input_is_padded(pipeline):
    pipeline.length = 96


def copies_that_nobody_needs(pipeline):
    for layer in pipeline.model.encoder.layer:
        edit(layer.norm, lambda forward, x: forward(x.transpose(1, 2).contiguous().mT.contiguous()))


def head_runs_twice(pipeline):
    edit(pipeline.model.head, lambda forward, x: (forward(x), forward(x))[1])


def head_for_more_words(pipeline):
    pipeline.model.head = nn.Linear(WIDTH, 4 * WORDS)


def wider_layers(pipeline):
    for layer in pipeline.model.encoder.layer:
        layer.up, layer.down = nn.Linear(WIDTH, 8 * WIDTH), nn.Linear(8 * WIDTH, WIDTH)


def a_low_rank_branch(pipeline):
    class Branch(nn.Module):
        def __init__(self, base):
            super().__init__()
            self.base = base
            self.a, self.b = nn.Linear(WIDTH, 32), nn.Linear(32, WIDTH)

        def forward(self, x):
            return self.base(x) + self.b(self.a(x))

    for layer in pipeline.model.encoder.layer:
        layer.attention.value = Branch(layer.attention.value)


def dropout_is_on(pipeline):
    for layer in pipeline.model.encoder.layer:
        layer.attention.dropout.train()


def model_runs_twice(pipeline):
    def predict(self, ids):
        self.model(ids)
        return self.model(ids)

    rewrite(pipeline, "predict", predict)


def renamed_model_with_a_larger_head(pipeline):
    class Renamed(Model):
        pass

    pipeline.model.__class__ = Renamed
    head_for_more_words(pipeline)


def arithmetic_outside_of_the_model(pipeline):
    def predict(self, ids):
        logits = self.model(ids)
        return functional.cosine_similarity(logits[:, :, None], logits[:, None], dim=-1)

    rewrite(pipeline, "predict", predict)


PLACES = {
    attention_runs_twice_in_each_layer: ["Model.encoder.layer.[0-3].attention"],
    attention_runs_twice_in_one_layer: ["Model.encoder.layer.2.attention"],
    one_more_layer: ["Model.encoder.layer.4"],
    two_more_layers: ["Model.encoder.layer.[4-5]"],
    model_in_float64: ["Model"],
    one_module_in_float64: ["Model.encoder.layer.[0-3].up"],
    softmax_in_float64: ["Model.encoder.layer.[0-3].attention aten::_to_copy"],
    input_is_padded: ["Model"],
    copies_that_nobody_needs: ["Model.encoder.layer.[0-3].norm aten::clone(new-layout)"],
    head_runs_twice: ["Model.head aten::addmm"],
    head_for_more_words: ["Model.head aten::addmm"],
    wider_layers: [
        "Model.encoder.layer.[0-3].up aten::addmm",
        "Model.encoder.layer.[0-3].down aten::addmm",
        "Model.encoder.layer.[0-3] aten::gelu",
    ],
    a_low_rank_branch: ["Model.encoder.layer.[0-3].attention.value"],
    dropout_is_on: ["Model.encoder.layer.[0-3].attention.dropout"],
    model_runs_twice: ["Model"],
    renamed_model_with_a_larger_head: ["Renamed.head aten::addmm"],
    arithmetic_outside_of_the_model: [""],
}
"""What is to be named, module and operator, by what was edited."""


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Threads that wait for each other take longer than so small a model."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def baseline():
    return stored(counts_of(Pipeline()), n=3)


def change_after(planted, baseline):
    pipeline = Pipeline()
    planted(pipeline)
    return compare(counts_of(pipeline), 3, "inference", "", baseline)


def test_what_nobody_edited_is_unchanged(baseline):
    change = change_after(nothing, baseline)
    assert change.unchanged
    assert change.energy == 0


@pytest.mark.parametrize("planted", PLACES, ids=lambda planted: planted.__name__)
def test_the_module_that_was_edited_is_named(planted, baseline):
    change = change_after(planted, baseline)
    named = [f"{one.module} {one.operator}".strip() for one in change.culprits]
    assert change.energy > 0
    assert named == PLACES[planted]


def test_a_dtype_shows_on_both_sides(baseline):
    culprit = change_after(model_in_float64, baseline).culprits[0]
    assert "float32" in culprit.dtypes_before
    assert "float64" not in culprit.dtypes_before
    assert "float64" in culprit.dtypes_after
    assert "float32" not in culprit.dtypes_after


# Python


def text_is_tokenized_twice(pipeline):
    def prepare(self, text):
        self.tokenizer.encode(text, self.length)
        return self.tokenizer.encode(text, self.length)

    rewrite(pipeline, "prepare", prepare)


def each_word_is_looked_up_twice(pipeline):
    def encode(self, text, length):
        ids = []
        for word in self.clean(text).split():
            if self.number_of(word) >= 0:
                ids.append(self.number_of(word))
        return torch.tensor([ids + [0] * (length - len(ids))])

    rewrite(pipeline.tokenizer, "encode", encode)


def loop_has_grown(pipeline):
    def clean(self, text):
        for _ in range(20):
            text = text.strip().lower()
        return text

    rewrite(pipeline.tokenizer, "clean", clean)


def list_is_built_in_python(pipeline):
    def predict(self, ids):
        logits = self.model(ids)
        found = []
        for i in range(200):
            found.append(i)
        return logits

    rewrite(pipeline, "predict", predict)


def json_for_a_log_that_nobody_reads(pipeline):
    def prepare(self, text):
        json.dumps({"text": text}, indent=2)
        return self.tokenizer.encode(text, self.length)

    rewrite(pipeline, "prepare", prepare)


FUNCTIONS = {
    text_is_tokenized_twice: "Pipeline.prepare > Tokenizer.encode",
    each_word_is_looked_up_twice: "Tokenizer.encode > Tokenizer.number_of",
    loop_has_grown: "Tokenizer.clean > (built-in)",
    list_is_built_in_python: "Pipeline.predict > (built-in)",
    json_for_a_log_that_nobody_reads: "Pipeline.prepare > dumps",
    model_runs_twice: "Pipeline.predict > Model.forward",
    one_more_layer: "Encoder.forward > Layer.forward",
}
"""Caller and callee that are to be named first, by what was edited."""


@pytest.mark.parametrize("planted", FUNCTIONS, ids=lambda planted: planted.__name__)
def test_the_function_that_was_edited_is_named(planted, baseline):
    change = change_after(planted, baseline)
    first = change.functions[0]
    caller, callee = (name.rpartition(":")[2] for name in (first.caller, first.callee))
    assert f"{caller} > {callee}" == FUNCTIONS[planted]
    assert first.after > first.before


@pytest.mark.parametrize("planted", [text_is_tokenized_twice, list_is_built_in_python])
def test_no_module_is_named_for_what_python_does(planted, baseline):
    change = change_after(planted, baseline)
    assert change.flops == 0
    assert change.python_calls > 0
    assert all("Model" not in culprit.module for culprit in change.culprits)
