#!/bin/bash
# What is installed can be used: a small program is built against it through the CMake package and
# through pkg-config, and needs nothing at run time but the C++ runtime. Everything is where the
# programs that use it look, and the documents link to nothing that is not there.
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

fail() {
  echo "package_test: $1"
  exit 1
}

# Plugin and completions: below a prefix of one's own, and where the system looks for them when the
# prefix is the system's.
expect_file() {
  [[ -s $1 ]] || fail "$1 is not installed"
}
expect_file "$work/prefix/share/bash-completion/completions/vhdx"
expect_file "$work/prefix/share/zsh/site-functions/_vhdx"
expect_file "$work/prefix/share/fish/vendor_completions.d/vhdx.fish"
bash -n "$work/prefix/share/bash-completion/completions/vhdx"
if [[ -e $VHDXKIT_BUILD_DIR/bin/nbdkit-vhdx-plugin.so ]]; then
  expect_file "$work/prefix/lib/nbdkit/plugins/nbdkit-vhdx-plugin.so"
  DESTDIR=$work/destination cmake --install "$VHDXKIT_BUILD_DIR" --prefix /usr/local >> "$work/log"
  expect_file "$work/destination/usr/local/bin/vhdx"
  expect_file "$work/destination$(pkg-config --variable=plugindir nbdkit)/nbdkit-vhdx-plugin.so"
  # The installed command finds the installed plugin, and without it says what is missing.
  "$work/prefix/bin/vhdx" create "$work/disk.vhdx" 1M > /dev/null
  # shellcheck disable=SC2016
  "$work/prefix/bin/vhdx" serve "$work/disk.vhdx" --run 'test -n "$uri"'
  mkdir "$work/alone"
  cp "$work/prefix/bin/vhdx" "$work/alone/"
  if [[ ! -e $(pkg-config --variable=plugindir nbdkit)/nbdkit-vhdx-plugin.so ]]; then
    if "$work/alone/vhdx" serve "$work/disk.vhdx" --run true 2> "$work/errors"; then
      fail "served without the plugin"
    fi
    grep -q 'nbdkit-vhdx-plugin.so in .*; build the target' "$work/errors" \
      || fail "without the plugin it says: $(cat "$work/errors")"
  fi
fi

# Each relative link of an installed document leads to an installed file.
documents=$work/prefix/share/doc/vhdxkit
links=0
while IFS=: read -r document link; do
  target=$(dirname "$document")/${link%%#*}
  [[ -e $target ]] || fail "${document#"$work/prefix/"} links to $link, which is not installed"
  links=$((links + 1))
done < <(find "$documents" -name '*.md' -exec grep -HoE '\]\([^)#:]+[^):]*\)' {} + \
  | sed -e 's/](//' -e 's/)$//')
(( links > 5 )) || fail "found no links in the documents in $documents"

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
