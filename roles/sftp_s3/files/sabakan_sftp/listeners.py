# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keeper's log sockets: /dev/log of the container, and one in each chroot, where the sftp server of a session logs."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

SIZE = 8192
_CREDENTIALS = struct.Struct("3i")


class Listener:
    def __init__(self, path: Path, user: str) -> None:
        self.path, self.user = path, user
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.socket.setblocking(False)
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        self.socket.bind(str(path))
        os.chmod(path, 0o666)

    def fileno(self) -> int:
        return self.socket.fileno()

    def read(self) -> Iterator[tuple[int, bytes]]:
        """(process number as the kernel knows it, datagram) of all that is there."""
        while True:
            try:
                data, extra, dummy, dummy = self.socket.recvmsg(SIZE, socket.CMSG_SPACE(_CREDENTIALS.size))
            except BlockingIOError:
                return
            pid = next((_CREDENTIALS.unpack(content[:_CREDENTIALS.size])[0] for level, kind, content in extra
                        if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS), 0)
            yield pid, data

    def close(self) -> None:
        self.socket.close()
        with contextlib.suppress(OSError):
            self.path.unlink()
