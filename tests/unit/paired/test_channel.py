"""Messages between the two processes."""

from __future__ import annotations

import socket
import threading

import pytest

from pytest_energy.paired.channel import Channel, ChannelClosedError, ChannelTimeoutError


def test_messages_of_any_size_arrive_whole_and_in_order():
    ours, theirs = map(Channel, socket.socketpair())
    sent = [{"said": "x" * 3_000_000}, {"said": "äöü\n"}, {"blocks": [0.1, 1e-300]}]
    writer = threading.Thread(target=lambda: [ours.send(message) for message in sent])
    writer.start()
    assert [theirs.receive() for _ in sent] == sent
    writer.join()


def test_silence_and_a_closed_end_are_told_apart():
    ours, theirs = map(Channel, socket.socketpair())
    with pytest.raises(ChannelTimeoutError):
        ours.receive(0.01)
    theirs.send({"said": "late"})
    assert ours.receive(1.0) == {"said": "late"}
    theirs.close()
    with pytest.raises(ChannelClosedError):
        ours.receive(1.0)
    with pytest.raises(ChannelClosedError):
        ours.send({"do": "run" * 1_000_000})
