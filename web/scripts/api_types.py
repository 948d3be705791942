"""Write the console's types of both servers' APIs: what ``make api`` runs.

The documents are made here, in this process, from the servers' own wire types; openapi-typescript
writes the types. Each file begins with the fingerprint of its document: a test compares it, so
that drift is noticed where no Node is.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rbee.foundation.http.openapi import fingerprint
from rbee.hive.api.reference import hive_document
from rbee.queen.api.reference import queen_document

WEB = Path(__file__).resolve().parents[1]
NODE = shutil.which("node") or "node"
GENERATOR = WEB / "node_modules" / "openapi-typescript" / "bin" / "cli.js"
DOCUMENTS = {"schema.d.ts": queen_document, "hive-schema.d.ts": hive_document}


def command(source: Path, types: Path) -> list[str]:
    """What has a default may be left out of a request; answers say what is required."""
    return [NODE, str(GENERATOR), str(source), "--default-non-nullable=false", "-o", str(types)]


def main() -> int:
    """Write both files; returns the exit code."""
    if not GENERATOR.exists():
        print("web/node_modules is missing: run `npm ci` in web/ first.", file=sys.stderr)
        return 1
    for name, make in DOCUMENTS.items():
        document = make()
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "openapi.json"
            source.write_text(json.dumps(document), encoding="utf-8")
            subprocess.run(
                command(source, Path(folder) / name),
                check=True,
                stdout=subprocess.DEVNULL,
            )
            types = (Path(folder) / name).read_text("utf-8")
        head = f"// Made by `make api`, not by hand; fingerprint: {fingerprint(document)}\n"
        (WEB / "src" / "api" / name).write_text(head + types, encoding="utf-8")
        print(f"web/src/api/{name}: {len(document['paths'])} paths")
    return 0


if __name__ == "__main__":
    sys.exit(main())
