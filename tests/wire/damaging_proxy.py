"""A TCP proxy that changes some bytes on their way to the server, the same ones for the same seed."""

from __future__ import annotations

import contextlib
import random
import socket
import threading


class DamagingProxy:
    """Forwards one connection. Bytes before `spare_bytes` (connection and log-in) pass unharmed."""

    def __init__(self, target: tuple[str, int], seed: int, spare_bytes: int, window_bytes: int, flips: int) -> None:
        chance = random.Random(seed)
        self._flips = {spare_bytes + chance.randrange(window_bytes): chance.randrange(1, 256) for _ in range(flips)}
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        for each in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join(timeout=5)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            client, _ = self._listener.accept()
            server = socket.create_connection(self._target)
            self._sockets += [client, server]
            back = threading.Thread(target=self._pump, args=(server, client, {}), daemon=True)
            self._threads.append(back)
            back.start()
            self._pump(client, server, self._flips)

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket, flips: dict[int, int]) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                changed = bytearray(data)
                for place, mask in flips.items():
                    if passed <= place < passed + len(data):
                        changed[place - passed] ^= mask
                passed += len(data)
                sink.sendall(changed)
            sink.shutdown(socket.SHUT_WR)
