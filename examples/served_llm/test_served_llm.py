"""Joules per token of a served model, by concurrency, and where they go."""

from __future__ import annotations

import os

import pytest
from chat import QUESTIONS

pytestmark = pytest.mark.anyio

N = int(os.environ.get("SERVED_N", "16"))
"""Requests that are metered: few where it is tried whether all works, more to compare."""


@pytest.mark.parametrize("concurrency", [1, 4, 8])
@pytest.mark.inference(n=N, unit="token")
async def test_tokens(energy, chat, concurrency):
    async def ask(question):
        return await chat.ask(question, energy)

    answers = await energy.arun(ask, QUESTIONS, concurrency=concurrency)
    assert all(answers)


@pytest.mark.inference(n=N, budget="60 J")
async def test_requests(energy, chat):
    """Joules per request: an answer that grows longer is a rise here, and none per token."""

    async def ask(question):
        return await chat.ask(question, energy)

    assert all(await energy.arun(ask, QUESTIONS, concurrency=4))


@pytest.mark.inference(n=N)
async def test_prefill_and_decode(energy, chat):
    """Where the energy of a request goes: reading the prompt, or writing the answer."""
    async for question in energy.aeach(QUESTIONS):
        parts = chat.parts(question)
        with energy.measure("prefill"):
            await anext(parts)
        with energy.measure("decode"):
            async for _ in parts:
                pass


def test_writing_takes_more_than_reading(energy_results):
    here = energy_results.where(task="chat")
    prefill, decode = (here.where(region=region) for region in ("prefill", "decode"))
    assert decode.ratio(prefill).value > 1
