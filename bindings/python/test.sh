#!/usr/bin/env bash
# Builds the wheel, installs it beside NumPy alone and runs the README's first lines; then style, types, and the
# tests against PyTorch. Environments that are there (.venv, .venv-debian) are used again.
#
#   bash test.sh            PyTorch of tests/requirements.txt, from PyPI: 6 GB
#   bash test.sh --debian   Debian's PyTorch, the oldest version that the package takes: 0.6 GB
#   bash test.sh --ray      the first, and the examples on Ray, two processes each
set -euo pipefail
cd "$(dirname "$0")"

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
install() {
    if ! dpkg -s "$@" >/dev/null 2>&1; then
        as_root apt-get update -qq
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
    fi
}
pip() { "$1/bin/python" -m pip install --quiet --disable-pip-version-check "${@:2}"; }

programs=${CARGO_TARGET_DIR:-$PWD/target}
export CARGO_TARGET_DIR=$programs

echo '-- environment'
if [ "${1:-}" = --debian ]; then
    install python3 python3-dev python3-venv python3-torch
    python=/usr/bin/python3 venv=.venv-debian
    # Old versions of PyTorch have fewer types.
    typed=(--allow-untyped-calls --allow-untyped-decorators --no-warn-return-any --no-warn-unused-ignores
        --disable-error-code=arg-type --disable-error-code=attr-defined --disable-error-code=union-attr)
    [ -d "$venv" ] || "$python" -m venv --system-site-packages "$venv"
    requirements=$(mktemp)
    grep -vE '^(numpy|torch)==' tests/requirements.txt >"$requirements"
    pip "$venv" --requirement "$requirements"
else
    python3 -c 'import ensurepip, venv' 2>/dev/null || install python3 python3-dev python3-venv
    python=python3 venv=.venv typed=()
    [ -d "$venv" ] || "$python" -m venv "$venv"
    pip "$venv" --requirement tests/requirements.txt
fi

echo '-- style'
cargo fmt --check
cargo clippy --release --locked --all-targets -- -D warnings
"$venv/bin/ruff" check --config pyproject.toml . ../../examples/python
"$venv/bin/ruff" format --config pyproject.toml --check . ../../examples/python

echo '-- wheel'
rm -rf "$programs/wheels"
"$venv/bin/maturin" build --release --locked --quiet --interpreter "$venv/bin/python" --out "$programs/wheels"
wheel=$(ls "$programs"/wheels/*.whl)
size=$(stat -c %s "$wheel")
echo "the wheel has $size bytes"
[ "$size" -lt 8000000 ]

echo '-- five lines beside NumPy alone'
alone=$(mktemp -d)
trap 'rm -rf "$alone"' EXIT
"$python" -m venv "$alone"
pip "$alone" "$wheel"
sed -n '/^```python$/,/^```$/p' README.md | sed '1d;/^```$/,$d' >"$alone/five.py"
[ "$(grep -c . "$alone/five.py")" = 5 ]
(cd "$alone" && bin/python -W error five.py)
[ "$("$alone/bin/python" -m pip list --format freeze | grep -cvE '^(pip|setuptools|wheel)=')" = 2 ]

echo '-- tests'
# Of the wheel, and not of the folder beside the tests.
pip "$venv" --no-deps --force-reinstall "$wheel"
tests=$(mktemp -d)
trap 'rm -rf "$alone" "$tests"' EXIT
cp -r tests "$tests"
(cd "$tests" && "$OLDPWD/$venv/bin/python" -m pytest -q tests --repository "$OLDPWD/../..")
"$venv/bin/mypy" --python-executable "$venv/bin/python" "${typed[@]}"

if [ "${1:-}" = --ray ]; then
    echo '-- Ray'
    "$venv/bin/python" -c 'import ray.data' 2>/dev/null || pip "$venv" 'ray[data]==2.60.0'
    "$venv/bin/python" ../../examples/python/ray_infer.py --kill
    "$venv/bin/python" ../../examples/python/ray_train.py
fi
