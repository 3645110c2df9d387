"""Opens 1,500 sockets and keeps them, as a crawler with as many pages under way."""

import socket
import time

server = socket.create_server(("127.0.0.1", 0), backlog=1024)
held = []
while len(held) < 1500:
    held.append(socket.create_connection(server.getsockname()))
    held.append(server.accept()[0])
print(f"holds {len(held)} sockets", flush=True)
while True:
    time.sleep(60)
