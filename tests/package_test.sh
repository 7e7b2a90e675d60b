#!/bin/bash
# What is installed can be used: a small program is built against it through the CMake package and
# through pkg-config, and needs nothing at run time but the C++ runtime.
set -euo pipefail

if [[ -n ${VHDXKIT_SANITIZE:-} ]]; then
  echo "skipped: the archive is instrumented, a user's program is not"
  exit 77
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
source=$VHDXKIT_SOURCE_DIR/tests/package

cmake --install "$VHDXKIT_BUILD_DIR" --prefix "$work/prefix" > "$work/log"

cmake -G Ninja -S "$source" -B "$work/build" -D CMAKE_CXX_COMPILER="$VHDXKIT_CXX" \
  -D CMAKE_PREFIX_PATH="$work/prefix" >> "$work/log"
cmake --build "$work/build" >> "$work/log" || { cat "$work/log"; exit 1; }
"$work/build/consumer"

pc=$(find "$work/prefix" -name vhdxkit.pc)
PKG_CONFIG_PATH=$(dirname "$pc")
export PKG_CONFIG_PATH
# Its words are meant to be split: they are compiler arguments.
# shellcheck disable=SC2046
"$VHDXKIT_CXX" -std=c++23 "$source/main.cc" -o "$work/consumer" \
  $(pkg-config --define-prefix --cflags --libs vhdxkit)
"$work/consumer"

foreign=$(ldd "$work/consumer" | awk '{ print $1 }' \
  | grep -v -E '^(linux-vdso|/lib(64)?|libstdc\+\+|libgcc_s|libc|libm)[./]' || true)
if [[ -n $foreign ]]; then
  echo "links more than the C++ runtime: $foreign"
  exit 1
fi
