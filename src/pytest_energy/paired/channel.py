"""Messages between the two processes of a paired run: JSON lines over a socket."""

from __future__ import annotations

import json
import socket
from typing import Any

Message = dict[str, Any]


class ChannelClosedError(Exception):
    """The other side has closed the channel: its process has ended."""


class ChannelTimeoutError(Exception):
    """The other side has not answered in time."""


class Channel:
    """One end of a connection.

    Args:
        end: of a socket pair; the channel owns it.
    """

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._received = b""

    def send(self, message: Message) -> None:
        """Send a message.

        Raises:
            ChannelClosedError: the other end is closed.
        """
        try:
            self._socket.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            raise ChannelClosedError from error

    def receive(self, seconds: float | None = None) -> Message:
        """The next message.

        Args:
            seconds: to wait for each piece of it; for ever when left out.

        Raises:
            ChannelTimeoutError: nothing came in time.
            ChannelClosedError: nothing will come.
        """
        self._socket.settimeout(seconds)
        while b"\n" not in self._received:
            try:
                piece = self._socket.recv(1 << 20)
            except TimeoutError as error:
                raise ChannelTimeoutError from error
            except OSError as error:
                raise ChannelClosedError from error
            finally:
                self._socket.settimeout(None)
            if not piece:
                raise ChannelClosedError
            self._received += piece
        line, _, self._received = self._received.partition(b"\n")
        message: Message = json.loads(line)
        return message

    def close(self) -> None:
        """Close this end."""
        self._socket.close()
