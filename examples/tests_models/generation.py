"""Continue a text token by token: with a cache of what was read, or reading it all again."""

from __future__ import annotations

from typing import Any

import torch


@torch.inference_mode()
def continuation(language_model: Any, text: str, tokens: int, use_cache: bool = True) -> list[int]:
    """The likeliest next tokens.

    Args:
        language_model: with its tokenizer.
        text: to go on from.
        tokens: how many to generate, no more and no less.
        use_cache: keep the keys and values of tokens that were read; without, each new token reads
            the whole text again.
    """
    model, tokenizer = language_model
    inputs = tokenizer(text, return_tensors="pt").to(model.device)
    generated = model.generate(
        **inputs,
        max_new_tokens=tokens,
        min_new_tokens=tokens,
        do_sample=False,
        use_cache=use_cache,
        pad_token_id=tokenizer.eos_token_id,
    )
    return generated[0, inputs["input_ids"].shape[1] :].tolist()
