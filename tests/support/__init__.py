"""What tests share: projects, meters, clocks, servers and machines that stand in for real ones."""

from __future__ import annotations
