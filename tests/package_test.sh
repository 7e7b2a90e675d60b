#!/bin/bash
# What is installed can be used: programs are built against it through the CMake package and through
# pkg-config, with the static and the shared library, and need nothing else at run time but the C++
# runtime. Everything is where the programs that use it look, and the documents link to nothing that
# is not there.
set -euo pipefail

if [[ -n ${VHDXKIT_SANITIZE:-} ]]; then
  echo "skipped: the libraries are instrumented, a user's program is not"
  exit 77
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
source=$VHDXKIT_SOURCE_DIR/tests/package

cmake --install "$VHDXKIT_BUILD_DIR" --prefix "$work/prefix" > "$work/log"

fail() {
  echo "package_test: $1"
  exit 1
}

# build FOLDER BUILD [OPTION...]: a user's project.
build() {
  cmake -G Ninja -S "$1" -B "$2" -D CMAKE_CXX_COMPILER="$VHDXKIT_CXX" \
    -D CMAKE_PREFIX_PATH="$work/prefix" "${@:3}" >> "$work/log"
  cmake --build "$2" >> "$work/log" || { cat "$work/log"; exit 1; }
}

# expect_libraries PROGRAM LIBRARY...: it loads these and the C++ runtime, and nothing else.
expect_libraries() {
  local loaded
  loaded=$(ldd "$1" | awk '{ print $1 }' \
    | grep -v -E '^(linux-vdso|/lib(64)?|libstdc\+\+|libgcc_s|libc|libm)[./]' | xargs || true)
  [[ $loaded == "${*:2}" ]] || fail "$1 loads, beside the C++ runtime: $loaded"
}

build "$source" "$work/build"
"$work/build/consumer"
expect_libraries "$work/build/consumer"
"$work/build/shared_consumer"
expect_libraries "$work/build/shared_consumer" libvhdxkit.so.0

# The installed examples, with the shared library; the suite builds them with the static one.
build "$work/prefix/share/doc/vhdxkit/examples" "$work/examples" \
  -D VHDXKIT_EXAMPLES_LIBRARY=vhdxkit::vhdxkit_shared
"$work/examples/create_disk" "$work/example.vhdx"
"$work/examples/list_extents" "$work/example.vhdx" > "$work/extents"
"$work/examples/memory_image" < "$work/example.vhdx" > "$work/extents"
expect_libraries "$work/examples/create_disk" libvhdxkit.so.0

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
"$VHDXKIT_CXX" -std=c++23 "$source/main.cc" -o "$work/by-pkg-config" \
  $(pkg-config --define-prefix --cflags --libs vhdxkit)
export LD_LIBRARY_PATH=${pc%/pkgconfig/*}
"$work/by-pkg-config"
expect_libraries "$work/by-pkg-config" libvhdxkit.so.0
version=$(pkg-config --modversion vhdxkit)
[[ $("$work/by-pkg-config") == "vhdxkit $version" ]] || fail "the library is not version $version"
[[ $("$work/prefix/bin/vhdx" -V) == "vhdx $version" ]] || fail "the command is not version $version"
