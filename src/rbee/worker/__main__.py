"""``python -m rbee.worker``: the process that a hive starts for each worker."""

import sys

from rbee.worker.app import run

if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
