"""Ask a served model as its users do: one prompt, an answer that comes in parts."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from openai import AsyncOpenAI

TOKENS = int(os.environ.get("SERVED_TOKENS", "40"))
"""Of an answer, at most."""

QUESTIONS = (
    "Why is the sky blue?",
    "Name three uses of a brick.",
    "How do bees find their way home?",
    "What is the difference between a lake and a sea?",
    "Tell me about the history of paper.",
    "How is glass made?",
    "What makes bread rise?",
    "Why do leaves turn red?",
)

LONG_PROMPT = (
    "You are a patient assistant. Answer in plain words, as to a child who has never heard of the"
    " matter. Do not guess: say so where you do not know. Do not repeat the question. Never use a"
    " word of another language. Think of the reader's safety. Prefer short sentences to long ones,"
    " and examples to definitions. If there are several answers, give the most common one first."
)


@dataclass(frozen=True)
class Answer:
    """What a model said, and how much of it there was.

    Args:
        text: of the answer.
        tokens: of the answer, as the server counts them.
        prompt_tokens: that the server read, its template's included.
    """

    text: str
    tokens: int
    prompt_tokens: int


@dataclass
class Chat:
    """One model at one server.

    Args:
        client: of an OpenAI-compatible API.
        model: as the server calls it.
        system: what it is told before every question; nothing by default.
        use_cache: whether the server keeps the keys and values of tokens that it has read: an
            option of `transformers serve`; the default asks for nothing.
        best_of: answers that are asked for; the longest is taken.
        most_tokens: of an answer.
        seconds: that an answer may take, from the question to the stream's end.
    """

    client: AsyncOpenAI
    model: str
    system: str = ""
    use_cache: bool | None = None
    best_of: int = 1
    most_tokens: int = TOKENS
    seconds: float = 60.0

    async def parts(self, question: str) -> AsyncIterator[Answer]:
        """An answer as it comes: each part of its text, at last how much there was.

        Raises:
            LookupError: the server does not say how many tokens there were.
        """
        messages = [{"role": "user", "content": question}]
        if self.system:
            messages.insert(0, {"role": "system", "content": self.system})
        stream = await self.client.chat.completions.create(
            model=self.model,
            messages=messages,  # type: ignore[arg-type]
            max_tokens=self.most_tokens,
            temperature=0,
            stream=True,
            stream_options={"include_usage": True},
            extra_body=self._extra(),
        )
        usage = None
        async for part in stream:
            usage = part.usage or usage
            if part.choices and part.choices[0].delta.content:
                yield Answer(part.choices[0].delta.content, 0, 0)
        if usage is None:
            raise LookupError(
                f"{self.client.base_url} sent no usage at the end of the stream, so that its tokens"
                " are not known: did it break off, or does it not know"
                " stream_options.include_usage?"
            )
        yield Answer("", usage.completion_tokens, usage.prompt_tokens)

    async def ask(self, question: str, energy: Any) -> str:
        """An answer as text; the tokens that it took are told to `energy`.

        Raises:
            LookupError: as `parts`.
            TimeoutError: the stream has not ended after `seconds`.
        """
        best = ""
        for _ in range(self.best_of):
            text, last = "", None
            try:
                async with asyncio.timeout(self.seconds):
                    async for last in self.parts(question):
                        energy.first_token()
                        text += last.text
            except TimeoutError as error:
                raise TimeoutError(
                    f"{self.client.base_url} has not ended its answer to {question!r} after"
                    f" {self.seconds:g} s (--serve-timeout)"
                ) from error
            if last is not None:
                energy.add(tokens=last.tokens, prompt_tokens=last.prompt_tokens)
            best = max(best, text, key=len)
        return best

    def _extra(self) -> dict[str, Any]:
        if self.use_cache is None:
            return {}
        config = {
            "use_cache": self.use_cache,
            "max_new_tokens": self.most_tokens,
            "do_sample": False,
        }
        return {"generation_config": json.dumps(config)}
