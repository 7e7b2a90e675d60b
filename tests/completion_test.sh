#!/bin/bash
# What a user gets who presses Tab in bash: the script of `vhdx completion bash`, asked as bash asks it.
set -euo pipefail
if [[ -z ${VHDXKIT_COMMAND:-} ]]; then
  echo "skipped: the command vhdx is not built"
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$VHDXKIT_COMMAND" completion bash > "$work/script"
mkdir "$work/here"
cd "$work/here"
touch base.vhdx
mkdir folder
# compopt works only inside of a real completion.
compopt() { :; }
# shellcheck source=/dev/null
source "$work/script"

# expect 'WORDS OF THE LINE' 'what is offered, in any order': the last word is the one that is completed.
expect() {
  local -a COMP_WORDS=() COMPREPLY=()
  local -a words
  local COMP_CWORD offered wanted
  eval "COMP_WORDS=($1)"
  COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))
  _vhdx
  offered=$(printf '%s\n' "${COMPREPLY[@]}" | sort | paste -sd ' ')
  read -ra words <<< "$2"
  wanted=$(printf '%s\n' "${words[@]}" | sort | paste -sd ' ')
  if [[ $offered != "$wanted" ]]; then
    echo "completion_test: [$1] offers [$offered], and not [$wanted]" >&2
    exit 1
  fi
}

expect "vhdx cre" "create"
expect "vhdx create --parent ''" "base.vhdx folder"
expect "vhdx serve --socket b" "base.vhdx"
expect "vhdx serve --snapshot-writes b" "base.vhdx"
expect "vhdx create --logical-sector ''" "512 4096"
expect "vhdx create --physical-sector 4" "4096"
expect "vhdx convert --output-format = v" "vhdx"
expect "vhdx convert --output-format =" "raw vhdx"
expect "vhdx info --progress = ''" "auto bar json none"
expect "vhdx info --parent-dir ''" "folder"
expect "vhdx info b" "base.vhdx"
expect "vhdx check --files-from b" "base.vhdx"
expect "vhdx dump base.vhdx loc" "locator"
expect "vhdx serve --control b" "base.vhdx"
expect "vhdx ctl base.vhdx st" "stop"
expect "vhdx create --seed ''" ""
expect "vhdx completion z" "zsh"
echo "completion_test: all as expected"
