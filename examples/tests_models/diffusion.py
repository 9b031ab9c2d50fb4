"""A latent-diffusion pipeline of diffusers' own classes, small enough for CPUs.

The weights are random. The parts are Stable Diffusion 1's: CLIP's text encoder as it is, a UNet and
an autoencoder that are narrower and have one layer a block. An image of 256 × 256 pixels in ten
steps; the paper's models take fifty for 512 × 512 and more.
"""

from __future__ import annotations

from typing import Any

import extras
import hub
from paper_models import Borrowed, smollm2_tokenizer
from shapes import random_weights
from shelf import loads
from transformers import CLIPTextConfig, CLIPTextModel
from transformers.initialization import no_init_weights

NAME = f"small-latent-diffusion ({hub.RANDOM})"
ON_SHELF = "small-latent-diffusion"

STEPS = 10
TEXT_WIDTH = 768
LONGEST_PROMPT = 77
"""Tokens; CLIP's text encoder takes no more, and shorter prompts are padded to it."""


@loads(ON_SHELF)
def small_latent_diffusion() -> tuple[Any, str]:
    """The pipeline: UNet 25 M, autoencoder 4 M, text encoder 123 M parameters."""
    extras.require("diffusers")
    import diffusers

    widths = (64, 128, 256, 256)
    with no_init_weights():
        unet = diffusers.UNet2DConditionModel(
            sample_size=32,
            block_out_channels=widths,
            layers_per_block=1,
            cross_attention_dim=TEXT_WIDTH,
            down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
            up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
        )
        autoencoder = diffusers.AutoencoderKL(
            sample_size=256,
            block_out_channels=(32, 64, 128, 128),
            layers_per_block=1,
            latent_channels=4,
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
        )
        text_encoder = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=49408,
                hidden_size=TEXT_WIDTH,
                intermediate_size=4 * TEXT_WIDTH,
                num_hidden_layers=12,
                num_attention_heads=12,
            )
        )
    pipeline = diffusers.StableDiffusionPipeline(
        unet=random_weights(unet),
        vae=random_weights(autoencoder),
        text_encoder=random_weights(text_encoder),
        tokenizer=Borrowed(smollm2_tokenizer(), 49408, LONGEST_PROMPT),
        scheduler=diffusers.PNDMScheduler(  # as Stable Diffusion 1 has it
            beta_schedule="scaled_linear",
            beta_start=0.00085,
            beta_end=0.012,
            skip_prk_steps=True,
            set_alpha_to_one=False,
            steps_offset=1,
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline, f"a latent-diffusion pipeline of diffusers' classes, {hub.RANDOM}"
