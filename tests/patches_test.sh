#!/bin/bash
# The patches that break the code on purpose still apply: scripts/mutations and
# scripts/fuzz-planted-bug find out only when they are run, which takes hours.
set -euo pipefail
cd "$VHDXKIT_SOURCE_DIR"
status=0
count=0
for patch in tests/mutations/*.patch fuzz/planted_bug.patch; do
  count=$((count + 1))
  if ! patch --dry-run --silent --force --fuzz=0 -p1 < "$patch"; then
    echo "patches_test: $patch does not apply"
    status=1
  fi
  if [[ $patch == tests/* ]] && ! grep -q -m1 '^Test: ' "$patch"; then
    echo "patches_test: $patch does not say which test sees it"
    status=1
  fi
done
if (( count < 20 )); then
  echo "patches_test: only $count patches were found"
  status=1
fi
exit "$status"
