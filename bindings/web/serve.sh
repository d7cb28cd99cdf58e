#!/usr/bin/env bash
# Builds the package and opens the pages of examples/web: a page that listens and a page that learns. Needs Python 3
# to serve them. Arguments are those of Python's http.server, such as a port (8000). Browsers give a microphone to pages
# of this machine and of https alone: a phone needs a server with a certificate in front.
set -euo pipefail
cd "$(dirname "$0")"

bash build.sh
cd ../..
# The network of the page that listens.
[ -e models/silero_vad.jit ] || python3 examples/fetch.py vad ||
    echo "The network could not be fetched: the page that listens will say so."
port=8000
for argument in "$@"; do
    [[ $argument =~ ^[0-9]+$ ]] && port=$argument
done
address=http://localhost:$port/examples/web/
echo "The pages are at $address until Ctrl-C."
for open in xdg-open open start; do
    command -v "$open" >/dev/null && { (sleep 1 && "$open" "$address" >/dev/null 2>&1) & break; }
done
exec python3 -m http.server "$@"
