"""How one inference of each task is performed: the protocol of "Power Hungry Processing", batch 1.

Each function takes a loaded model and returns what a test calls with one sample: from the raw
sample to an answer that people can read, as Hugging Face's pipelines do it (transformers 5 has none
for question answering, summaries and captions). Lengths, prompts and the size of images are those
of the authors' scripts (github.com/sashavor/co2_inference, MIT licence).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from models import Loaded

Run = Callable[[Any], Any]

NEW_TOKENS = 10
"""Of each generated text, so that no answer is dearer for being longer."""

SUMMARY_TOKENS = (10, 15)
"""Least and most new tokens of a summary."""

WORDS = 20
"""First words of a text that text generation goes on from."""

PROMPT_WORDS = 50
"""First words of a prompt that images are made from."""

IMAGE_SIZE = (640, 480)
"""Width and height in pixels that images come in."""

LONGEST = 512
"""Tokens at which inputs are cut off, or sooner where a model takes fewer."""

_POSITIONS_BEFORE_TEXT = {"roberta": 2, "xlm-roberta": 2}
"""By kind of model: positions that its table has and no token of a text gets."""

SENTIMENT_PROMPT = "what is the binary sentiment of the following sentence? {}"
ANSWER_PROMPT = (
    '{question} Find the answer to the question in the following text: "{context}". Answer:'
)
SUMMARY_PROMPT = "summarize the following text: {}"


def _encode(loaded: Loaded, *texts: str) -> Any:
    config, limits = loaded.model.config, [LONGEST]
    limits.append(getattr(loaded.tokenizer, "model_max_length", LONGEST))
    positions = getattr(config, "max_position_embeddings", None)
    if positions:
        limits.append(positions - _POSITIONS_BEFORE_TEXT.get(config.model_type, 0))
    encoded = loaded.tokenizer(*texts, truncation=True, max_length=min(limits), return_tensors="pt")
    return encoded.to(loaded.model.device)


def classify_text(loaded: Loaded) -> Run:
    """Text in, label out."""

    @torch.inference_mode()
    def run(text: str) -> str:
        logits = loaded.model(**_encode(loaded, text)).logits
        return loaded.model.config.id2label[int(logits.argmax())]

    return run


def answer(loaded: Loaded) -> Run:
    """A dict of `question` and `context` in; out the likeliest passage of at most 15 tokens."""

    @torch.inference_mode()
    def run(sample: dict[str, str]) -> str:
        inputs = _encode(loaded, sample["question"], sample["context"])
        output = loaded.model(**inputs)
        ids = inputs["input_ids"][0]
        scores = output.start_logits[0, :, None] + output.end_logits[0, None, :]
        # Of all pairs only those that are in order, short, and behind the question.
        allowed = torch.ones_like(scores, dtype=torch.bool).triu().tril(14)
        separators = (ids == loaded.tokenizer.sep_token_id).nonzero()
        allowed[: int(separators[0]) + 1 if len(separators) else 0] = False
        best = int(scores.masked_fill(~allowed, -torch.inf).argmax())
        start, end = divmod(best, len(ids))
        return loaded.tokenizer.decode(ids[start : end + 1], skip_special_tokens=True).strip()

    return run


def fill_mask(loaded: Loaded) -> Run:
    """A text in, without its full stops and with a mask at its end; out the word there."""

    @torch.inference_mode()
    def run(text: str) -> str:
        inputs = _encode(loaded, text.replace(".", "") + loaded.tokenizer.mask_token)
        masked = (inputs["input_ids"][0] == loaded.tokenizer.mask_token_id).nonzero()
        logits = loaded.model(**inputs).logits
        # A text that was cut off has lost its mask: it takes as much, and the last token stands in.
        where = int(masked[-1]) if len(masked) else -1
        return loaded.tokenizer.decode(logits[0, where].argmax(-1, keepdim=True)).strip()

    return run


def tag_tokens(loaded: Loaded) -> Run:
    """A text in; out each token with its label, outside ones left out."""

    @torch.inference_mode()
    def run(text: str) -> list[tuple[str, str]]:
        inputs = _encode(loaded, text)
        labels = loaded.model(**inputs).logits[0].argmax(-1).tolist()
        names = loaded.model.config.id2label
        tokens = loaded.tokenizer.convert_ids_to_tokens(inputs["input_ids"][0].tolist())
        return [
            (token, names[label])
            for token, label in zip(tokens, labels, strict=True)
            if names[label] != "O"
        ]

    return run


def classify_image(loaded: Loaded) -> Run:
    """A PIL image in, number of the likeliest class out."""

    @torch.inference_mode()
    def run(image: Any) -> int:
        inputs = loaded.tokenizer(images=image, return_tensors="pt").to(loaded.model.device)
        return int(loaded.model(**inputs).logits.argmax())

    return run


def detect(loaded: Loaded) -> Run:
    """A PIL image in; out labels and boxes of what is there with a score over one half."""

    @torch.inference_mode()
    def run(image: Any) -> Any:
        inputs = loaded.tokenizer(images=image, return_tensors="pt").to(loaded.model.device)
        output = loaded.model(**inputs)
        (found,) = loaded.tokenizer.post_process_object_detection(
            output, threshold=0.5, target_sizes=[(image.height, image.width)]
        )
        return found

    return run


def _generate(loaded: Loaded, inputs: Any, least: int, most: int) -> str:
    model, tokenizer = loaded
    if model.generation_config.pad_token_id is None:  # not as an argument: BLIP gives its own
        model.generation_config.pad_token_id = 0
    # Some models' generation settings have lengths of their own, counted otherwise.
    tokens = model.generate(
        **inputs,
        min_new_tokens=least,
        max_new_tokens=most,
        max_length=None,
        min_length=None,
        do_sample=False,
    )[0]
    if not model.config.is_encoder_decoder and "input_ids" in inputs:
        tokens = tokens[inputs["input_ids"].shape[1] :]
    return tokenizer.decode(tokens, skip_special_tokens=True).strip()


def generate(loaded: Loaded) -> Run:
    """A text in; out what comes after its first words."""

    @torch.inference_mode()
    def run(text: str) -> str:
        inputs = _encode(loaded, " ".join(text.split()[:WORDS]))
        return _generate(loaded, inputs, NEW_TOKENS, NEW_TOKENS)

    return run


def summarize(loaded: Loaded) -> Run:
    """A text in; out a summary of a few words."""

    @torch.inference_mode()
    def run(text: str) -> str:
        return _generate(loaded, _encode(loaded, text), *SUMMARY_TOKENS)

    return run


def caption(loaded: Loaded) -> Run:
    """A PIL image in, a description out."""

    @torch.inference_mode()
    def run(image: Any) -> str:
        inputs = loaded.tokenizer(images=image, return_tensors="pt").to(loaded.model.device)
        return _generate(loaded, inputs, NEW_TOKENS, NEW_TOKENS)

    return run


def paint(pipeline: Any, **settings: Any) -> Run:
    """A prompt in, an image out.

    Args:
        pipeline: diffusers'.
        settings: of each call; without any, those that the pipeline comes with.
    """

    def run(prompt: str) -> Any:
        return pipeline(" ".join(prompt.split()[:PROMPT_WORDS]), **settings).images[0]

    return run


def asked_for_sentiment(loaded: Loaded) -> Run:
    """A general-purpose model, asked in words."""

    @torch.inference_mode()
    def run(text: str) -> str:
        inputs = _encode(loaded, SENTIMENT_PROMPT.format(text))
        return _generate(loaded, inputs, NEW_TOKENS, NEW_TOKENS)

    return run


def asked_for_answer(loaded: Loaded) -> Run:
    """The same for `question` and `context`."""

    @torch.inference_mode()
    def run(sample: dict[str, str]) -> str:
        inputs = _encode(loaded, ANSWER_PROMPT.format(**sample))
        return _generate(loaded, inputs, NEW_TOKENS, NEW_TOKENS)

    return run


def asked_for_summary(loaded: Loaded) -> Run:
    """The same for a text to shorten."""

    @torch.inference_mode()
    def run(text: str) -> str:
        inputs = _encode(loaded, SUMMARY_PROMPT.format(text))
        return _generate(loaded, inputs, *SUMMARY_TOKENS)

    return run
