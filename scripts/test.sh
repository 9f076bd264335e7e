#!/usr/bin/env bash
# Sets everything up and runs all checks: style, types, tests. Arguments go to pytest.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
ruff check .
ruff format --check .
mypy
python -m pytest "$@"
