"""A server that writes an entry every few milliseconds, until it is killed."""

import asyncio
import sys
from pathlib import Path

from tests.api import serving  # pyright: ignore[reportMissingImports]
from tests.api.watching import append  # pyright: ignore[reportMissingImports]

from remit.settings import Settings


def main() -> None:
    api = serving.Api(Settings(home=Path(sys.argv[1])))
    api.start()

    async def write() -> None:
        number = 0
        while True:
            await append(api.runtime.store, 2, start=number)
            number += 2
            await asyncio.sleep(0.005)

    sys.stdout.write(f"{api.url} {api.key('viewer')}\n")
    sys.stdout.flush()
    api.do(write)


main()
