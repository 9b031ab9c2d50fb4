"""The server that the tests ask: one that they start, or any OpenAI-compatible one."""

from __future__ import annotations

import os
import shlex
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from chat import LONG_PROMPT, TOKENS, Chat
from openai import AsyncOpenAI
from serving import serve, smollm2

PLANTED = {
    "long-prompt": {"system": LONG_PROMPT},
    "no-cache": {"use_cache": False},
    "best-of": {"best_of": 2},
    "more-tokens": {"most_tokens": TOKENS + TOKENS // 10},
}
"""Changes that cost energy, and that nobody sees who reads one answer: each has to be found."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("served_llm", "a served language model")
    group.addoption(
        "--serve-url",
        help="base URL of a server that runs (vLLM, TGI, Ollama, llama.cpp, …), such as"
        " http://127.0.0.1:8000/v1; by default one is started",
    )
    group.addoption(
        "--serve-model",
        help="as the server calls it (default: the first that it lists; of one that is started"
        " SmolLM2-135M-Instruct)",
    )
    group.addoption(
        "--serve-args",
        default="--continuous-batching --cb-num-blocks=64 --cb-block-size=32",
        help="more options for `transformers serve` (default: %(default)s)",
    )
    group.addoption(
        "--serve-timeout",
        type=float,
        default=60.0,
        help="seconds that an answer may take in all (default: %(default)s)",
    )
    group.addoption("--plant", choices=PLANTED, help="have every request cost more")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # Baselines are per model: this one's are not another's.
    model = config.getoption("serve_model") or config.getoption("serve_url") or "SmolLM2-135M"
    for item in items:
        if item.get_closest_marker("inference") is not None:
            item.add_marker(pytest.mark.inference(model=model, task="chat"))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def server(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of the server."""
    url = pytestconfig.getoption("serve_url")
    if url:
        yield url
        return
    model = pytestconfig.getoption("serve_model") or smollm2()
    log: Path = tmp_path_factory.mktemp("served") / "server.log"
    with serve(model, log, shlex.split(pytestconfig.getoption("serve_args"))) as started:
        yield started


@pytest.fixture
async def chat(server: str, pytestconfig: pytest.Config) -> AsyncIterator[Chat]:
    """The model, to be asked."""
    key = os.environ.get("OPENAI_API_KEY") or "none"
    seconds = pytestconfig.getoption("serve_timeout")
    planted: dict[str, Any] = PLANTED.get(pytestconfig.getoption("plant"), {})
    # Without retries: the energy of a request that failed is no energy of the answer.
    async with AsyncOpenAI(base_url=server, api_key=key, max_retries=0, timeout=seconds) as client:
        model = pytestconfig.getoption("serve_model")
        if not model or not pytestconfig.getoption("serve_url"):
            model = (await client.models.list()).data[0].id
        yield Chat(client, model, seconds=seconds, **planted)
