"""Metering of test bodies, loops and regions. Nothing here knows a verdict."""
