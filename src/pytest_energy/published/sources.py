"""Who published the figures that ship with the package, and how they were metered."""

from __future__ import annotations

from pytest_energy.published.figure import Source

STUDENT_T = {10: 2.262157}
"""0.975 quantile of Student's t by number of repeats (nine degrees of freedom for ten)."""

LUCCIONI = Source(
    key="luccioni2024",
    short_title="Luccioni et al.",
    title=(
        "A. S. Luccioni, Y. Jernite, E. Strubell: Power Hungry Processing: Watts Driving the Cost"
        " of AI Deployment?"
    ),
    year=2024,
    hardware="one A100-SXM4-80GB of a node of eight",
    scope="node",
    protocol=(
        "1,000 inferences, ten repeats, batch size 1; one GPU at work and the whole node metered:"
        " counters of all eight GPUs, and constants for CPU (42.5 W) and RAM (431 W)"
    ),
    interval="95 % interval of the mean of ten repeats (Student's t)",
    licence=("run files: MIT licence, © 2023 Sasha Luccioni; cite as FAccT 2024, arXiv 2311.16863"),
    url="https://arxiv.org/abs/2311.16863",
)

AI_ENERGY_SCORE = Source(
    key="aienergyscore2025",
    short_title="AI Energy Score",
    title="AI Energy Score leaderboard, text generation",
    year=2025,
    hardware="one H100",
    scope="gpu",
    protocol=(
        "1,000 queries of about 369 tokens, ten new tokens each, batch size 1; the GPU alone"
    ),
    interval="",
    licence="figures alone, named after their source: AI Energy Score, February 2025",
    url="https://huggingface.co/spaces/AIEnergyScore/Leaderboard",
)

ML_ENERGY = Source(
    key="mlenergy2025",
    short_title="ML.ENERGY",
    title="ML.ENERGY leaderboard 3.0",
    year=2025,
    hardware="one H100",
    scope="gpu",
    protocol=(
        "many requests at a time in the server's steady state, language models with vLLM; images"
        " and videos in batches; the GPU alone"
    ),
    interval="",
    licence="data set benchmark-v3, Apache-2.0; cite as ML.ENERGY leaderboard 3.0, December 2025",
    url="https://ml.energy/leaderboard",
)

STRUBELL = Source(
    key="strubell2019",
    short_title="Strubell et al.",
    title=(
        "E. Strubell, A. Ganesh, A. McCallum: Energy and Policy Considerations for Deep Learning"
        " in NLP"
    ),
    year=2019,
    hardware="P100, V100",
    scope="node",
    protocol=(
        "mean power of GPUs, CPU and RAM while training for a day at most, times the published"
        " duration and a PUE of 1.58"
    ),
    interval="",
    licence="figures of Table 3; cite as ACL 2019, arXiv 1906.02243",
    url="https://arxiv.org/abs/1906.02243",
)


def sources() -> tuple[Source, ...]:
    """Every source of figures and of trainings, the paper that this plugin follows first."""
    return (LUCCIONI, AI_ENERGY_SCORE, ML_ENERGY, STRUBELL)
