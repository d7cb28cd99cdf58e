#!/usr/bin/env bash
# Builds the wheel, installs it beside NumPy alone and runs the README's first lines; then style, types, and
# the tests against PyTorch. Installs Python's venv by apt-get where it is missing. `--ray` also runs the
# examples on Ray, two processes each. Environments that are there (.venv) are used again.
set -euo pipefail
cd "$(dirname "$0")"

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        python3 python3-dev python3-venv >/dev/null
fi

programs=${CARGO_TARGET_DIR:-$PWD/target}
export CARGO_TARGET_DIR=$programs
pip() { "$1/bin/python" -m pip install --quiet --disable-pip-version-check "${@:2}"; }

echo '-- environment'
[ -d .venv ] || python3 -m venv .venv
has() { .venv/bin/python -c "import $1" 2>/dev/null; }
has 'ipykernel, maturin, mypy, nbclient, pytest, torch' && [ -x .venv/bin/ruff ] ||
    pip .venv --requirement tests/requirements.txt

echo '-- style'
cargo fmt --check
cargo clippy --release --locked --all-targets -- -D warnings
.venv/bin/ruff check --config pyproject.toml . ../../examples/python
.venv/bin/ruff format --config pyproject.toml --check . ../../examples/python

echo '-- wheel'
rm -rf "$programs/wheels"
.venv/bin/maturin build --release --locked --quiet --interpreter .venv/bin/python --out "$programs/wheels"
wheel=$(ls "$programs"/wheels/*.whl)
size=$(stat -c %s "$wheel")
echo "the wheel has $size bytes"
[ "$size" -lt 8000000 ]

echo '-- five lines beside NumPy alone'
alone=$(mktemp -d)
trap 'rm -rf "$alone"' EXIT
python3 -m venv "$alone"
pip "$alone" "$wheel"
sed -n '/^```python$/,/^```$/p' README.md | sed '1d;/^```$/,$d' >"$alone/five.py"
[ "$(grep -c . "$alone/five.py")" = 5 ]
(cd "$alone" && bin/python -W error five.py)
[ "$("$alone/bin/python" -m pip list --format freeze | grep -cvE '^(pip|setuptools|wheel)=')" = 2 ]

echo '-- tests'
# Of the wheel, and not of the folder beside the tests.
pip .venv --no-deps --force-reinstall "$wheel"
tests=$(mktemp -d)
trap 'rm -rf "$alone" "$tests"' EXIT
cp -r tests "$tests"
(cd "$tests" && "$OLDPWD/.venv/bin/python" -m pytest -q tests --repository "$OLDPWD/../..")
.venv/bin/mypy

if [ "${1:-}" = --ray ]; then
    echo '-- Ray'
    has ray.data || pip .venv 'ray[data]==2.60.0'
    .venv/bin/python ../../examples/python/ray_infer.py --kill
    .venv/bin/python ../../examples/python/ray_train.py
fi
