#!/usr/bin/env bash
# Makes the virtual environment: uv when it is there, else uv from PyPI inside the environment itself, so that nothing outside changes.
set -euo pipefail
venv=$1; shift
python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed (set PYTHON=...)" >&2; exit 1; }
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m uv --version >/dev/null 2>&1 || "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
"$venv/bin/python" -m uv pip sync --quiet --require-hashes --python "$venv/bin/python" requirements/dev.txt requirements/uv.txt
for member in "$@"; do
  "$venv/bin/python" -m uv pip install --quiet --python "$venv/bin/python" --no-deps --no-build-isolation -e "$member"
done
touch "$venv/.ready"
