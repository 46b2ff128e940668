"""Runs in a Pod of the cluster: carries connections to other Pods (port 7000), and witnesses whatever gets through to it (port 7001).

Port 7000: a line `HOST PORT`, answered by `ok` or the reason why not, then bytes both ways; or `knock SECONDS HOST:PORT ...`, answered
by a JSON list of those that accepted a connection within that time; or `witnessed`, answered by a JSON list of what came in on port
7001, TCP and UDP. Standard library only: it is sent to the Pod as text.
"""

import asyncio
import json

witnessed = []


async def pipe(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.close()


async def carry(reader, writer):
    words = (await reader.readline()).decode().split()
    try:
        if words == ["witnessed"]:
            writer.write(json.dumps(witnessed).encode() + b"\n")
            return
        if words[0] == "knock":
            writer.write(json.dumps(await knock(float(words[1]), words[2:])).encode() + b"\n")
            return
        far_reader, far_writer = await asyncio.wait_for(asyncio.open_connection(words[0], int(words[1])), 3)
    except Exception as error:
        writer.write(f"no: {type(error).__name__}\n".encode())
        return
    else:
        writer.write(b"ok\n")
        await asyncio.gather(pipe(reader, far_writer), pipe(far_reader, writer))
        far_writer.close()
    finally:
        writer.close()


async def knock(seconds, places):
    """Again and again, with little patience each time: a packet that a wall swallows is not sent again for a second."""
    reached, end = set(), asyncio.get_running_loop().time() + seconds

    async def at(place):
        host, _, port = place.rpartition(":")
        while place not in reached and asyncio.get_running_loop().time() < end:
            try:
                _, writer = await asyncio.wait_for(asyncio.open_connection(host, int(port)), 0.05)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                reached.add(place)
                writer.transport.abort()

    await asyncio.gather(*(at(place) for place in places))
    return sorted(reached)


async def see(reader, writer):
    witnessed.append("tcp")
    try:
        witnessed.append("tcp " + (await asyncio.wait_for(reader.read(200), 5)).decode("latin-1"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\ncredentials")
    except Exception:
        pass
    writer.close()


class Datagrams(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        witnessed.append("udp " + data[:200].decode("latin-1"))
        self.transport.sendto(b"seen", address)


async def main():
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(Datagrams, local_addr=("0.0.0.0", 7001))
    await asyncio.start_server(see, "0.0.0.0", 7001)
    server = await asyncio.start_server(carry, "0.0.0.0", 7000)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
