#!/usr/bin/env bash
# Runs all tests. Where there is no Vulkan driver, it first installs Mesa's software one and says so.
# Further arguments go to `cargo test`.
set -euo pipefail
cd "$(dirname "$0")/.."

# A driver's manifest, and a device for it: lavapipe needs none.
has_vulkan() {
    [ -n "${VK_DRIVER_FILES:-}${VK_ICD_FILENAMES:-}" ] && return 0
    local libraries manifests
    libraries=$(ldconfig -p 2>/dev/null) || true
    [[ $libraries == *libvulkan.so.1* ]] || return 1
    manifests=$(ls /usr/share/vulkan/icd.d /usr/local/share/vulkan/icd.d /etc/vulkan/icd.d 2>/dev/null) || true
    case "$manifests" in
        *lvp_icd*) return 0 ;;
        *.json*) compgen -G '/dev/dri/renderD*' >/dev/null || [ -e /dev/nvidia0 ] || [ -e /dev/dxg ] ;;
        *) return 1 ;;
    esac
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
        sudo "$@"
    else
        return 1
    fi
}

if [ "$(uname)" = Linux ] && [ "${WGPU_RNN_GPU:-}" != skip ] && ! has_vulkan; then
    echo "No Vulkan driver: installing Mesa's software one (mesa-vulkan-drivers, libvulkan1)."
    if ! { command -v apt-get >/dev/null && as_root apt-get update -qq &&
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq mesa-vulkan-drivers libvulkan1 >/dev/null; }; then
        echo "It could not be installed: the GPU tests will fail, unless WGPU_RNN_GPU=skip is set."
    fi
fi

# Without the Vulkan validation layers, where they are installed: `.ci/run` has a part for them. And without debug information
# in shaders, which takes drivers longer to compile.
export WGPU_VALIDATION=${WGPU_VALIDATION:-0} WGPU_DEBUG=${WGPU_DEBUG:-0}

exec cargo test "$@"
