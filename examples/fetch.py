"""Fetches the models of the examples, with pip, into a folder (`models` if none is given):

    python3 examples/fetch.py vad          # Silero's network and a recording: silero-vad 6.2.3, MIT
    python3 examples/fetch.py diacritize   # arabic-diacritizer 1.0.0, MIT
"""

import argparse
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile

# Of each example: requirements with the sums of the packages' files, and the files that are kept, with theirs.
EXAMPLES = {
    "vad": [
        ("silero-vad==6.2.3", "--only-binary", "7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8", {
            "silero_vad/data/silero_vad.jit": "e1122837f4154c511485fe0b9c64455f7b929c96fbb8d79fbdb336383ebd3720",
            "silero_vad/data/silero_vad_16k.safetensors": "c59271c284ae9c8335d795d60e0bfdb71aaaceec578d9bd9ffc1b8153c319ea1",
        }),
        # The recording is in the source package alone: a minute of speech, of the package's own tests.
        ("silero-vad==6.2.3", "--no-binary", "d7a23b09202be4953915cb9173089bb307eed0418a9bd4794d9ec5af07fa1996", {
            "silero_vad-6.2.3/tests/data/test.wav": "89f17d9c94c4b31eb320f424628bcbc920abaddbee6e2760fd868bfb1d9a2e47",
        }),
    ],
    "diacritize": [
        ("arabic-diacritizer==1.0.0", "--only-binary", "c4a62e8563baec1a206b3594710880557220f9b67287b102043531dd670dd45f", {
            "diacritize/assets/bilstm_best.pt": "51bfd0d3498adfc54393580ddc9d7ff8deaaab866d7d5d28c81eaec7ddc9e97f",
        }),
    ],
}


def download(requirement, kind, digest):
    """The one file of a package, whose sum pip checks."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = os.path.join(folder, "wanted.txt")
        with open(wanted, "w") as file:
            file.write(f"{requirement} --hash=sha256:{digest}\n")
        name = requirement.split("==")[0]
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes", kind, name,
                        "--dest", folder, "-r", wanted], check=True)
        (found,) = (name for name in os.listdir(folder) if name != "wanted.txt")
        with open(os.path.join(folder, found), "rb") as file:
            return file.read()


def members(package, names):
    """Files of a wheel or of a source package."""
    if zipfile.is_zipfile(io.BytesIO(package)):
        with zipfile.ZipFile(io.BytesIO(package)) as archive:
            return {name: archive.read(name) for name in names}
    with tarfile.open(fileobj=io.BytesIO(package)) as archive:
        return {name: archive.extractfile(name).read() for name in names}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("example", choices=EXAMPLES)
    parser.add_argument("folder", nargs="?", default="models")
    arguments = parser.parse_args()
    os.makedirs(arguments.folder, exist_ok=True)
    for requirement, kind, digest, files in EXAMPLES[arguments.example]:
        for name, data in members(download(requirement, kind, digest), files).items():
            found = hashlib.sha256(data).hexdigest()
            if found != files[name]:
                sys.exit(f"{name}: expected sha256 {files[name]}, found {found}")
            path = os.path.join(arguments.folder, os.path.basename(name))
            with open(path, "wb") as file:
                file.write(data)
            print(path)


main()
