#!/usr/bin/env bash
# Builds the package and opens the pages of examples/web: a page that listens and a page that learns. Needs Python 3
# to serve them. Arguments are those of Python's http.server: a port (8000), `--bind 0.0.0.0` for a phone.
set -euo pipefail
cd "$(dirname "$0")"

bash build.sh
cd ../..
# The network of the page that listens.
[ -e models/silero_vad.jit ] || python3 examples/fetch.py vad ||
    echo "The network could not be fetched: the page that listens will say so."
port=8000
for argument in "$@"; do
    case "$argument" in [0-9]*[0-9]) port=$argument ;; esac
done
address=http://localhost:$port/examples/web/
echo "The pages are at $address until Ctrl-C."
for open in xdg-open open start; do
    command -v "$open" >/dev/null && { (sleep 1 && "$open" "$address" >/dev/null 2>&1) & break; }
done
exec python3 -m http.server "$@"
