#!/bin/sh
# Makes quiet_hours.wasm, the core module, in the folder given. Debian: apt-get install clang lld
set -eu
here=$(dirname "$0")
exec clang --target=wasm32-unknown-unknown -std=c11 -O2 -Wall -Wextra -Werror -ffreestanding -nostdlib \
    -Wl,--no-entry -Wl,--strip-all -o "${1:?the folder to put it into}/quiet_hours.wasm" "$here/src/quiet_hours.c"
