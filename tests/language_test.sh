#!/bin/bash
# A program for an earlier C++ gets one message that says so, whichever public header it includes,
# and not pages of errors from inside the headers.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
include=$VHDXKIT_SOURCE_DIR/include
expected='error: .*vhdxkit needs C\+\+23: compile with -std=c\+\+23'

tried=0
for header in "$include"/vhdxkit/*.h; do
  name=vhdxkit/${header##*/}
  printf '#include <%s>\nint main() { return 0; }\n' "$name" > "$work/main.cc"
  for language in c++11 c++17 c++20; do
    if "$VHDXKIT_CXX" "-std=$language" "-I$include" -fsyntax-only "$work/main.cc" \
      2> "$work/errors"; then
      echo "language_test: $name compiles with -std=$language"
      exit 1
    fi
    first=$(grep -m1 'error:' "$work/errors")
    if [[ ! $first =~ $expected ]] || (( $(wc -l < "$work/errors") > 20 )); then
      echo "language_test: $name with -std=$language is refused with"
      cat "$work/errors"
      exit 1
    fi
    tried=$((tried + 1))
  done
done
(( tried >= 60 )) || { echo "language_test: only $tried tried"; exit 1; }
