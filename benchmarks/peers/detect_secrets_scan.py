"""detect-secrets over the messages of a file: one JSON text a line. Prints the processor seconds of its `scan_file`.

Runs in the peers' environment (`.venv-peers/redaction`), with every plugin and filter that it has by default.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

from detect_secrets.core.scan import scan_file
from detect_secrets.settings import default_settings


def main() -> None:
    lines = Path(sys.argv[1]).read_text("utf-8").splitlines()
    with tempfile.TemporaryDirectory() as folder, default_settings():
        paths: list[str] = []
        for number, line in enumerate(lines):
            path = Path(folder) / f"{number}.txt"  # by its ending: the peer reads some others by other rules
            path.write_text(json.loads(line), "utf-8")
            paths.append(str(path))
        list(scan_file(paths[0]))
        began = time.process_time()
        found = sum(len(list(scan_file(path))) for path in paths)
        print(json.dumps({"seconds": time.process_time() - began, "found": found}))


main()
