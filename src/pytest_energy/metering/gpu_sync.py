"""Wait for the GPU work that a program has queued."""

from __future__ import annotations

import sys


def synchronise() -> None:
    """Wait until what was queued on GPUs is done.

    Launching work returns at once; without this its energy would fall into the next window. Only
    frameworks that the program has already imported, and devices that it has already used.
    """
    torch = sys.modules.get("torch")
    if torch is not None:
        cuda = getattr(torch, "cuda", None)
        if cuda is not None and cuda.is_initialized():
            for index in range(cuda.device_count()):
                if cuda.memory_reserved(index) or index == cuda.current_device():
                    cuda.synchronize(index)
        mps = getattr(torch, "mps", None)
        if mps is not None and sys.platform == "darwin" and torch.backends.mps.is_available():
            mps.synchronize()
        xpu = getattr(torch, "xpu", None)
        if xpu is not None and getattr(xpu, "is_initialized", bool)():
            xpu.synchronize()
    bridge = sys.modules.get("jax._src.xla_bridge")
    if bridge is not None:
        _synchronise_jax(bridge)
    cupy = sys.modules.get("cupy")
    if cupy is not None and hasattr(cupy, "cuda"):
        cupy.cuda.Device().synchronize()


def _synchronise_jax(bridge: object) -> None:
    # jax has no call that waits for a device. Devices work off what they are given in order, so a
    # tiny sum is done when all before it is; arrays without a holder are included, which
    # jax.live_arrays() would miss. A backend that the program has not begun to use is left alone.
    begun = getattr(bridge, "backends_are_initialized", None)
    if begun is None or not begun():
        return
    jax = sys.modules["jax"]
    for device in jax.local_devices():
        with jax.default_device(device):
            (jax.numpy.zeros(()) + 1).block_until_ready()
