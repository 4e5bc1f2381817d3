# bash completion for nswarden(1)
# SPDX-License-Identifier: Apache-2.0
# Runs no program and asks no daemon. Names of netns and files may hold anything, so none of them is ever expanded as shell words
# (compgen -W would). tests/packaging/flags_test.py holds the lists against nswarden --help.

# Sets `words` to the words up to the cursor as the program will get them: readline also breaks at = and :.
_nswarden_words() {
  local line=$COMP_LINE i word
  words=()
  for ((i = 0; i <= COMP_CWORD; ++i)); do
    word=${COMP_WORDS[i]}
    if ((i > 0)) && [[ $line != [[:space:]]* ]]; then
      words[${#words[@]} - 1]+=$word
    else
      words+=("$word")
    fi
    line=${line#"${line%%[![:space:]]*}"}
    line=${line#"$word"}
  done
}

# The flags of a command; those that take a value end with =.
_nswarden_flags() {
  local common='--config.file= --netns.dir= --path.procfs= --log.level= --log.format='
  local asking='--url= --timeout= --tls.ca-file= --tls.cert-file= --tls.key-file='
  case $1 in
    '') flags="--version $common" ;;
    run)
      flags="--web.listen-address= --web.telemetry-path= --web.config.file= --web.enable-lifecycle --reconcile.interval="
      flags+=" --command.timeout= --repair.budget= --repair.window= --metrics.series-limit= --metrics.per-netns"
      flags+=" --lock.file= --audit --restore.file= $common"
      ;;
    check) flags="--all --output= $common" ;;
    apply) flags="--dry-run --audit --restore --lock.file= --restore.file= --all --output= $common" ;;
    explain) flags="--output= $common" ;;
    status) flags="--events= --output= $asking" ;;
    healthcheck) flags=$asking ;;
    'config check') flags="--live $common" ;;
    *) flags= ;;
  esac
  flags+=" --help"
}

# Looks at the words before the last one: sets `command`, `operands` (how many stand behind it) and `dirs` of netns.
_nswarden_look_back() {
  local i word flags
  command=
  operands=0
  dirs=()
  _nswarden_flags ''
  for ((i = 1; i < ${#words[@]} - 1; ++i)); do
    word=${words[i]}
    if [[ $word == --netns.dir=* ]]; then
      dirs+=("${word#*=}")
    elif [[ $word == -* ]]; then
      [[ " $flags " == *" $word= "* ]] || continue
      i=$((i + 1))
      [[ $word != --netns.dir ]] || ((i >= ${#words[@]} - 1)) || dirs+=("${words[i]}")
    elif [[ $command == '' || $command == config ]]; then
      command+=${command:+ }$word
      _nswarden_flags "$command"
    else
      operands=$((operands + 1))
    fi
  done
  ((${#dirs[@]} > 0)) || dirs=(/run/netns)
}

# Adds those of the arguments that begin with what was typed. They are ours, and plain.
_nswarden_offer() {
  local one
  for one; do
    [[ $one != "$typed"* ]] || COMPREPLY+=("$one")
  done
}

# Names of the first directory, full paths of others, quoted for the shell.
_nswarden_netns() {
  local i path name
  for i in "${!dirs[@]}"; do
    for path in "${dirs[i]%/}"/*; do
      [[ -e $path ]] || continue
      name=$path
      ((i > 0)) || name=${path##*/}
      printf -v name %q "$name"
      _nswarden_offer "$name"
    done
  done
}

_nswarden_files() {
  compopt -o filenames 2>/dev/null
  mapfile -t COMPREPLY < <(compgen -A "$1" -- "$typed")
}

# The value of a flag.
_nswarden_value() {
  case $1 in
    --log.level) _nswarden_offer debug info warn error ;;
    --log.format) _nswarden_offer logfmt json ;;
    --output) _nswarden_offer table json ;;
    --netns.dir | --path.procfs) _nswarden_files directory ;;
    *.file | --tls.*-file) _nswarden_files file ;;
  esac
}

_nswarden_operand() {
  case $command in
    '') _nswarden_offer run check apply explain status healthcheck config ;;
    config) _nswarden_offer check convert schema events ;;
    check | apply | status) _nswarden_netns ;;
    explain) ((operands > 0)) || _nswarden_netns ;;
    'config check' | 'config convert') ((operands > 0)) || _nswarden_files file ;;
  esac
}

_nswarden() {
  local words command operands dirs flags typed before one
  COMPREPLY=()
  _nswarden_words
  _nswarden_look_back
  _nswarden_flags "$command"
  typed=${words[${#words[@]} - 1]}
  before=${words[${#words[@]} - 2]-}
  if [[ $typed == --*=* && " $flags " == *" ${typed%%=*}= "* ]]; then
    before=${typed%%=*}
    typed=${typed#*=}
    _nswarden_value "$before"
  elif [[ $before == --* && " $flags " == *" $before= "* ]]; then
    _nswarden_value "$before"
  elif [[ $typed == -* ]]; then
    # shellcheck disable=SC2086 # a list of ours
    _nswarden_offer $flags
    [[ ${COMPREPLY[*]} != *= ]] || compopt -o nospace 2>/dev/null
  else
    _nswarden_operand
  fi
  # Readline puts the reply in the place of the part behind the last = or :.
  one=${COMP_WORDS[COMP_CWORD]}
  [[ $one != [:=] ]] || one=
  [[ $typed == *"$one" ]] || return 0
  before=${typed%"$one"}
  COMPREPLY=("${COMPREPLY[@]#"$before"}")
} && complete -F _nswarden nswarden
